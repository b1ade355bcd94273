/**
 * What `doorbuster swarm` refuses before the first request, in words, with exit code 2.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandEnd, runCommand } from "../../test/support/command-line.ts";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "doorbuster-swarm-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(args: readonly string[], env: Record<string, string> = {}): Promise<CommandEnd> {
  const usual = { ADMIN_TOKEN: "token", SECRET: "a secret of the test, long enough to be one" };
  return runCommand(["swarm", ...args], { ...usual, ...env });
}

/** Above what Linux gives out, and within what the flag takes. */
const NO_PROCESS = 4_194_304;

describe("wrong flags", () => {
  test.each([
    [["--requests", "0"], "Accepted: a whole number from 1 to 5000000"],
    [["--requests", "many"], "Accepted: a whole number from 1 to 5000000"],
    [["--connections", "20001"], "Accepted: a whole number from 1 to 20000"],
    [["--processes", "65"], "Accepted: a whole number from 1 to 64"],
    [["--server-pids", "api:5"], "Accepted: name=pid, comma-separated"],
    [["--server-pids", "api=0"], "Accepted: name=pid, comma-separated"],
    [["--speed", "9"], "unknown option '--speed'"],
    [["smoke", "again"], "too many arguments"],
    [["nowhere.yaml"], "Cannot read nowhere.yaml (shipped are million, on-sale, smoke; anything else is a path)"],
    [["--url", "http://shop.example"], "shop.example is not this machine"],
    [["--url", "http://192.0.2.7", "--i-own-this-target", "192.0.2.8"], 'You named "192.0.2.8", which is another one'],
    [["--admin-url", "http://shop.example:8081"], "shop.example is not this machine"],
    [["--url", "https://127.0.0.1"], "is no http:// address"],
  ] as const)("%p exit 2: %s", async (args, words) => {
    const { code, err, out } = await run(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(words);
  });

  test("an operators' address that is none is told by the name of its flag, and so is one where nobody answers", async () => {
    const none = await run(["--admin-url", "nonsense"]);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('--admin-url is "nonsense"; accepted: a URL')]);
    const nobody = await run(["--admin-url", "http://127.0.0.1:1"]);
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining("Another one is named with --admin-url.")]);
  });

  test("a scenario that is wrong exits 2 and names the path", async () => {
    const file = join(folder, "wrong.yaml");
    writeFileSync(
      file,
      "name: wrong\npopulations:\n  a: { kind: buyer, count: 0, arrivals: { curve: poisson, durationMs: 5 } }\n",
    );
    const { code, err } = await run([file]);
    expect(code).toBe(2);
    expect(err).toContain("populations.a.count must be a whole number from 1");
  });

  test("without a secret it says where one could have come from", async () => {
    const { code, err } = await run(["smoke"], { SECRET: "", DATA_DIR: folder });
    expect(code).toBe(2);
    expect(err).toContain(`SECRET is not set, and ${join(folder, "secret")} cannot be read`);
  });

  test("a file that cannot be written stops it before anything is asked of the node", async () => {
    const { code, err } = await run(["smoke", "--json-lines", join(folder, "no", "such", "folder")]);
    expect(code).toBe(2);
    expect(err).toContain("Cannot write");
  });

  test("a process that is not there is not watched as one that costs nothing", async () => {
    const { code, err } = await run(["smoke", "--server-pids", `api=${NO_PROCESS}`]);
    expect([code, err]).toEqual([2, expect.stringContaining(`there is no process ${NO_PROCESS}`)]);
  });
});

test("--help shows the scenarios and the flags", async () => {
  const { code, out } = await run(["--help"]);
  expect(code).toBe(0);
  for (const word of ["smoke, on-sale, million", "--i-own-this-target <host>", "--server-pids"])
    expect(out).toContain(word);
});
