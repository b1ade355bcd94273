/**
 * What `doorbuster rehearse` refuses before it asks a node, and certificates that are checked without one.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandEnd, runCommand } from "../../test/support/command-line.ts";
import { type CapacityCertificate, CERTIFICATE_FORMAT, signCertificate } from "../domain/certificate.ts";
import { deriveKeys } from "../funnel/3-identity/keys.ts";

const SECRET = "a secret of the test, long enough to be one";
const RATE = {
  ratePerS: 800,
  latencyMsP99: 12,
  missedPerS: null,
  limitedBy: "time",
  because: "no more time",
  cpuUsPerDecision: { api: 900 },
} as const;
const CERTIFICATE: CapacityCertificate = {
  format: CERTIFICATE_FORMAT,
  ...{
    id: "rehearsal-one",
    deployment: "x",
    version: "1",
    issuedAt: 1_800_000_000_000,
    mode: "postgres",
    nodes: 1,
    settings: "s",
  },
  ...{
    latencyMsMax: 250,
    decidesPerS: 800,
    acceptsPerS: 800,
    p99Ms: 12,
    limitedBy: "time",
    accepts: RATE,
    refuses: null,
    crowd: null,
  },
};
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-rehearse-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: readonly string[]): Promise<CommandEnd> {
  return runCommand(["rehearse", ...args], { ADMIN_TOKEN: "token", SECRET });
}

test.each([
  [["--expected-buyers", "0"], "Accepted: a whole number from 1 to 100000000"],
  [["--seconds", "9"], "Accepted: a whole number from 10 to 300"],
  [["--seconds", "1e3"], "Accepted: a whole number from 10 to 300"],
  [["--latency", "9"], "Accepted: a whole number from 10 to 5000"],
  [["--busiest-second", "1.5"], "Accepted: a number from 0.001 to 1"],
  [["--busiest-second", "0"], "Accepted: a number from 0.001 to 1"],
  [["verify"], "missing required argument"],
  [["verify", "/nowhere/certificate.json"], "Cannot read /nowhere/certificate.json"],
] as const)("%p exit 2: %s", async (args, words) => {
  const { code, err, out } = await run(...args);
  expect([code, out, err]).toEqual([2, "", expect.stringContaining(words)]);
});

test("a file that cannot be written stops it before anything is asked of the node", async () => {
  const { code, err } = await run("--json", join(folder, "no", "such", "folder"), "--url", "http://127.0.0.1:1");
  expect([code, err]).toEqual([2, expect.stringContaining("Cannot write")]);
});

test("a refusal leaves the last certificate as it was, and no empty file where there was none", async () => {
  const [kept, fresh] = [join(folder, "last.json"), join(folder, "new.json")];
  writeFileSync(kept, "the last certificate");
  for (const file of [kept, fresh]) {
    const { code, err } = await run("--json", file, "--url", "http://127.0.0.1:1");
    expect([code, err]).toEqual([1, expect.stringContaining("No answer from http://127.0.0.1:1")]);
  }
  expect([readFileSync(kept, "utf8"), existsSync(fresh)]).toEqual(["the last certificate", false]);
});

test("the progress of one trial is told in the singular", async () => {
  const progress = { phase: "accepting", ratePerS: 250, trials: 1, acceptsPerS: 0, refusesPerS: 0 };
  let looks = 0;
  const server = createServer((request, response) => {
    looks += 1;
    const isOver = looks > 2;
    const rehearsal = { state: isOver ? "failed" : "running", progress, failure: "enough", signed: null };
    request.resume();
    response.end(JSON.stringify(request.method === "POST" ? { id: "rehearsal-one" } : rehearsal));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { code, err } = await run("--url", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  server.close();
  expect([code, err]).toEqual([1, expect.stringContaining("1 trial; everybody is served, trying 250/s\n")]);
});

describe("verify", () => {
  const write = (text: string): string => {
    const file = join(folder, "certificate.json");
    writeFileSync(file, text);
    return file;
  };
  const signed = signCertificate(deriveKeys(SECRET).certificate, CERTIFICATE);

  test("shows what the deployment signed", async () => {
    const { code, out } = await run("verify", write(JSON.stringify(signed)));
    expect(code).toBe(0);
    expect(out).toContain("decides 800/s and accepts 800/s at p99 12 ms (bound 250 ms)");
    expect(out).toContain("refusing   not measured: the time was over");
    expect(out).toContain("The signature is this deployment's");
  });

  test.each([
    ["a better one", JSON.stringify(signed).replace(/800/g, "8000")],
    ["one of another deployment", JSON.stringify(signCertificate(deriveKeys("another").certificate, CERTIFICATE))],
    ["no JSON", "certificate"],
    ["another document", "{}"],
  ])("refuses %s", async (_, text) => {
    const { code, out, err } = await run("verify", write(text));
    expect([code, out, err]).toEqual([1, "", expect.stringContaining("is not a certificate of this deployment")]);
  });
});
