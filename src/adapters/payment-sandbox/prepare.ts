/**
 * Creates and upgrades the sandbox provider's schema: the numbered files beside this one, each once, under a lock.
 *
 * Kept apart from the product's migrations on purpose: whoever runs with a real provider never has these tables, and
 * dropping the schema `sandbox` removes every trace of it.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Fault } from "../../domain/faults.ts";
import type { Database } from "../../ports/database.ts";

const FOLDER = fileURLToPath(new URL("./migrations", import.meta.url));
/** "sand" in ASCII: any number that nobody else in the database locks. */
const PREPARE_LOCK = 0x73616e64;

/** Brings the schema `sandbox` up to date. Safe to call from several nodes at once. Throws MIGRATION_MISMATCH. */
export async function prepareSandbox(database: Database): Promise<void> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".sql")).sort();
  const texts = await Promise.all(names.map((name) => readFile(`${FOLDER}/${name}`, "utf8")));
  await database.transaction(async (connection) => {
    await connection.query({ text: `SELECT pg_advisory_xact_lock(${PREPARE_LOCK})` });
    await connection.query({ text: "CREATE SCHEMA IF NOT EXISTS sandbox" });
    await connection.query({
      text: "CREATE TABLE IF NOT EXISTS sandbox.migration (name text PRIMARY KEY, checksum text NOT NULL)",
    });
    const applied = await connection.query<{ name: string; checksum: string }>({
      text: "SELECT name, checksum FROM sandbox.migration",
    });
    const checksums = new Map(applied.map((row) => [row.name, row.checksum]));
    for (const [index, name] of names.entries()) {
      const text = texts[index] ?? "";
      const checksum = createHash("sha256").update(text).digest("hex");
      const known = checksums.get(name);
      if (known === checksum) continue;
      if (known !== undefined) throw new Fault("MIGRATION_MISMATCH", { internal: `sandbox/${name}` });
      await connection.query({ text });
      await connection.query({ text: "INSERT INTO sandbox.migration (name, checksum) VALUES ($1, $2)" }, [
        name,
        checksum,
      ]);
    }
  });
}
