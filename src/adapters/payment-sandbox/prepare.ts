/**
 * Creates and upgrades the sandbox provider's schema: the numbered files beside this one, each once, under a lock.
 *
 * Kept apart from the product's migrations on purpose: whoever runs with a real provider never has these tables, and
 * dropping the schema `sandbox` removes every trace of it.
 */
import { fileURLToPath } from "node:url";
import type { Database } from "../../ports/database.ts";
import { migrate, readMigrations } from "../postgres/migrate.ts";

const FOLDER = fileURLToPath(new URL("./migrations", import.meta.url));

/** Brings the schema `sandbox` up to date. Safe to call from several nodes at once. Throws MIGRATION_MISMATCH. */
export async function prepareSandbox(database: Database): Promise<void> {
  await migrate(database, await readMigrations(FOLDER), "sandbox");
}
