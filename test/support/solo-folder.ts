/**
 * A data folder of solo mode for a test: made fresh, served from, and gone afterwards.
 */
import { afterEach, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeEmptyCluster } from "./embedded-database.ts";
import { type EndedProcess, NodeProcess, type Runtime, runToEnd } from "./node-process.ts";
import { OPEN_LIMITS } from "./open-limits.ts";

export const RUNTIMES: readonly Runtime[] = ["bun", "node"];

const cleanUps: Array<() => void | Promise<void>> = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Run after the test, the last one first. */
export function afterThisTest(cleanUp: () => void | Promise<void>): void {
  cleanUps.push(cleanUp);
}

export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-folder-"));
  afterThisTest(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A node with its embedded database in the folder, an empty one at first, without limits for buyers. Killed after the test. */
export async function startSolo(
  runtime: Runtime,
  dataFolder: string,
  secrets: { secret?: string; adminToken?: string } = {},
): Promise<NodeProcess> {
  const env = OPEN_LIMITS;
  await placeEmptyCluster(dataFolder);
  const node = await NodeProcess.start({ runtime, databaseUrl: null, dataFolder, env, ...secrets });
  afterThisTest(async () => await node.kill());
  return node;
}

/** A node that is not expected to come up. */
export async function serveToEnd(runtime: Runtime, dataFolder: string): Promise<EndedProcess> {
  const env = { DATA_DIR: dataFolder, HOST: "127.0.0.1", PORT: "0", ADMIN_PORT: "0" };
  return await runToEnd({ runtime, args: ["serve"], env });
}

/** It ended by itself and said in a person's words what is wrong with the folder. */
export function expectClearEnd(ended: EndedProcess, folder: string): void {
  expect(ended.code, ended.output).toBeGreaterThan(0);
  expect(ended.output).toContain(folder);
  expect(ended.output).toMatch(/data directory|DATA_DIR/i);
  expect(ended.output, "a message for a person, not a stack").not.toMatch(/\n\s+at /);
}
