/**
 * What somebody sees who waits for a node that takes its time: one line, and none where it is quick.
 */
import { expect, test } from "bun:test";
import { waitUntil } from "../../test/support/waiting.ts";
import { runCommandLine } from "./program.ts";
import type { RunningNode } from "./surroundings.ts";

const SECRETS = { ADMIN_TOKEN: "operator-token-of-the-test", SECRET: "s".repeat(32) };
const NODE: RunningNode = { buyerPort: 1, adminPort: 2, stop: async () => undefined };

/** `isSlow`: the node is ready only once a line about it was written. */
async function serve(env: Record<string, string>, isSlow: boolean): Promise<readonly string[]> {
  const lines: string[] = [];
  const refuse = (): never => {
    throw new Error("not expected here");
  };
  const startNode = async (): Promise<RunningNode> => {
    if (isSlow) await waitUntil("a line about the wait", () => lines.length > 1);
    return NODE;
  };
  await runCommandLine(["serve"], {
    env: { ...SECRETS, ...env },
    isTerminal: false,
    composition: { startNode, migrateDatabase: refuse, adoptDeploymentSecret: refuse },
    out: () => undefined,
    err: (text) => void lines.push(text),
    readInput: async () => "",
    untilToldToStop: async () => "SIGTERM",
  });
  return lines.filter((line) => !/^Starting|SIGTERM/.test(line));
}

test("a start that takes long says what is waited for, once", async () => {
  expect(await serve({}, true)).toEqual([
    "Preparing the embedded database: a first start unpacks it, which takes up to half a minute …\n",
  ]);
  expect(await serve({ DATABASE_URL: "postgres://db/x" }, true)).toEqual(["Waiting for the database …\n"]);
}, 10_000);

test("one that is quick says nothing, later neither", async () => {
  expect(await serve({}, false)).toEqual([]);
});
