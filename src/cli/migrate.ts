/**
 * `doorbuster migrate`: applies the schema migrations that the configured database does not have yet.
 *
 * Safe to run from several machines at once: one of them does it, the others find nothing left to do.
 */
import type { Command } from "commander";
import { readSettings } from "../config/load.ts";
import type { Surroundings } from "./surroundings.ts";

/** Adds the command. */
export function addMigrate(program: Command, surroundings: Surroundings): void {
  program
    .command("migrate")
    .description("apply schema migrations to the database of DATABASE_URL (or solo mode's own)")
    .action(async () => {
      const applied = await surroundings.composition.migrateDatabase(readSettings({ env: surroundings.env }));
      for (const name of applied) surroundings.out(`applied ${name}\n`);
      surroundings.out(applied.length === 0 ? "The schema is up to date.\n" : `${applied.length} applied.\n`);
    });
}
