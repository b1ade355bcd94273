/**
 * A rehearsal as an operator has it: a real node on the embedded database, the command, the certificate, and what stays behind.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SignedCertificate } from "../../src/domain/certificate.ts";
import { runCommand } from "../support/command-line.ts";
import { type EndedProcess, NodeProcess, runToEnd } from "../support/node-process.ts";
import { Operator, saleSpec, seat } from "../support/operator-client.ts";

const HOUR_MS = 3_600_000;
const SECONDS = 14;

let node: NodeProcess;
let operator: Operator;
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-rehearsal-"));
  const env = { TRUSTED_PROXIES: "127.0.0.1/32", LOG_LEVEL: "warn" };
  node = await NodeProcess.start({ runtime: "bun", databaseUrl: null, env });
  operator = new Operator(node);
  const opensAt = Date.now() + HOUR_MS;
  const drop = saleSpec({ id: "drop", opensAt, closesAt: opensAt + HOUR_MS, items: [seat({ stock: 40 })] });
  await operator.must("POST", "/sales", drop);
}, 60_000);
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

function run(...args: readonly string[]): Promise<EndedProcess> {
  const { secret, adminToken, adminPort } = node;
  return runToEnd({
    runtime: "bun",
    args,
    env: { ADMIN_PORT: String(adminPort), ADMIN_TOKEN: adminToken, SECRET: secret },
    withinMs: 50_000,
  });
}

test("a small rehearsal ends with a certificate that verifies, and leaves nothing that a buyer sees", async () => {
  const file = join(folder, "certificate.json");
  expect((await run("sale", "show", "drop")).output).toContain("not rehearsed");
  const rehearsal = ["--for", "drop", "--expected-buyers", "200", "--seconds", String(SECONDS), "--json", file];
  const { code, output } = await run("rehearse", ...rehearsal);
  expect([code, output]).toEqual([0, expect.stringContaining("x for 200 buyers")]);
  expect(output).toContain("kept so far: accepts 250/s");

  const text = readFileSync(file, "utf8");
  const { certificate } = JSON.parse(text) as SignedCertificate;
  expect(certificate).toMatchObject({
    mode: "solo",
    nodes: 1,
    latencyMsMax: 250,
    crowd: { saleId: "drop", stock: 40 },
  });
  expect(certificate.acceptsPerS).toBeGreaterThanOrEqual(250);
  const { refuses } = certificate;
  expect(certificate.decidesPerS).toBe(refuses?.ratePerS ?? certificate.acceptsPerS);
  expect(certificate.accepts.cpuUsPerDecision?.["api"]).toBeGreaterThan(0);

  expect((await run("rehearse", "verify", file)).code).toBe(0);
  const better = join(folder, "better.json");
  writeFileSync(better, text.replace(`"acceptsPerS": ${certificate.acceptsPerS}`, '"acceptsPerS": 90000'));
  const refused = await run("rehearse", "verify", better);
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining("or was changed since it was issued")]);
  expect((await run("sale", "show", "drop")).output).toContain(`rehearsed: ${certificate.acceptsPerS}/s`);

  const { sales } = (await (await fetch(`${node.buyerUrl}/v1/sales`)).json()) as { sales: { id: string }[] };
  expect(sales.map(({ id }) => id)).toEqual(["drop"]);
  const all: { id: string; state: string }[] = (await operator.must("GET", "/sales")).sales;
  const own = all.filter(({ id }) => id.startsWith("rehearsal-"));
  expect(own.map(({ state }) => state)).toEqual(["closed", "closed"]);
  for (const { id } of own) {
    expect(await operator.must("GET", `/sales/${id}/audit`)).toMatchObject({ balanced: true });
  }
}, 90_000);

test("a command that is told to stop stops the load on the node, and both of its sales are closed", async () => {
  const { adminPort, adminToken } = node;
  const env = { ADMIN_PORT: String(adminPort), ADMIN_TOKEN: adminToken };
  const { code, err } = await runCommand(["rehearse", "--seconds", "120"], env, "everybody is served");
  expect([code, err]).toEqual([1, expect.stringContaining("No certificate: An operator stopped it.")]);
  const all: { id: string; state: string }[] = (await operator.must("GET", "/sales")).sales;
  expect(all.filter(({ id, state }) => id.startsWith("rehearsal-") && state !== "closed")).toEqual([]);
}, 30_000);

test("nobody rehearses while a sale is open, unless he insists", async () => {
  await operator.must("POST", "/sales/drop/open");
  const { code, output } = await run("rehearse", "--seconds", "10");
  expect([code, output]).toEqual([1, expect.stringContaining("The sale drop is open")]);
}, 30_000);
