/**
 * Brings the configured database up to date and closes it again: what `doorbuster migrate` does.
 */
import { createLog } from "../adapters/local/log.ts";
import type { Settings } from "../config/load.ts";
import { openDatabase, prepareSchema } from "./storage.ts";

/** Applies missing migrations and answers their names. Throws the database's faults and MIGRATION_MISMATCH. */
export async function migrateDatabase(settings: Settings): Promise<readonly string[]> {
  const log = createLog({ level: settings.logLevel });
  const database = await openDatabase(settings, log);
  try {
    return await prepareSchema(database.general);
  } finally {
    await database.close();
    await log.flush();
  }
}
