/**
 * An embedded database in memory, for adapters that only need SQL: started once for a test file, closed by it.
 */
import { openPgliteDatabase } from "../../src/adapters/pglite/pglite-database.ts";
import type { Database } from "../../src/ports/database.ts";
import { RecordingLog } from "./recording-log.ts";

const ANSWER_TIMEOUT_MS = 20_000;

/** Opens it; `close` ends its worker thread. */
export function openMemoryDatabase(): Promise<Database> {
  return openPgliteDatabase({ directory: null, answerTimeoutMs: ANSWER_TIMEOUT_MS, log: new RecordingLog() });
}
