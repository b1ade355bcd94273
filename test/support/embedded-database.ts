/**
 * Embedded databases for tests, copied from one that is made once for this checkout: making one takes two cores for four
 * seconds, a copy a fifth of one. What is copied is an empty cluster, before any migration, so nothing but the making is
 * skipped; the tests of data folders and of the demonstration let the product make its own.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedDatabase, openPgliteDatabase } from "../../src/adapters/pglite/pglite-database.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { quickFolder } from "./quick-folder.ts";
import { RecordingLog } from "./recording-log.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
const ANSWER_TIMEOUT_MS = 20_000;
/** As the product names it within its data folder. */
const CLUSTER = "postgres";

/** Puts an empty cluster into a data folder that has none yet. */
export async function placeEmptyCluster(dataFolder: string): Promise<void> {
  const place = join(dataFolder, CLUSTER);
  if (!existsSync(place)) cpSync(await emptyCluster(), place, { recursive: true });
}

/** An embedded database in a folder of its own, which is gone when it is closed. */
export async function openEmbeddedDatabase(
  options: { answerTimeoutMs?: number; log?: Log } = {},
): Promise<EmbeddedDatabase> {
  const directory = mkdtempSync(join(quickFolder(), "doorbuster-embedded-"));
  await placeEmptyCluster(directory);
  const { answerTimeoutMs = ANSWER_TIMEOUT_MS, log = new RecordingLog() } = options;
  const database = await openPgliteDatabase({ directory, answerTimeoutMs, log });
  const close = database.close.bind(database);
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once("exit", remove);
  return Object.assign(database, {
    close: async () => {
      await close();
      remove();
      process.off("exit", remove);
    },
  });
}

/** Where the one lies that is copied. Whoever makes it at the same time as another finds it complete, or makes it too. */
async function emptyCluster(): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(MODULES, "@electric-sql/pglite/package.json"), "utf8"));
  const kept = join(MODULES, ".cache/doorbuster", `pglite-${version}`);
  if (existsSync(kept)) return join(kept, CLUSTER);
  const own = `${kept}.${process.pid}`;
  mkdirSync(own, { recursive: true });
  const database = await openPgliteDatabase({
    directory: own,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    log: new RecordingLog(),
  });
  await database.close();
  try {
    renameSync(own, kept);
  } catch {
    rmSync(own, { recursive: true, force: true });
  }
  return join(kept, CLUSTER);
}
