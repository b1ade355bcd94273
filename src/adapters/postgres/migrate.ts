/**
 * Applies the numbered `.sql` files of a folder, each once, in its own transaction, under an advisory lock.
 *
 * A file that was applied may never change: its checksum is compared at every start, because two versions of a
 * function with one number would make nodes disagree about the protocol. New behaviour is a new number.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Fault } from "../../domain/faults.ts";
import type { Database, SqlConnection } from "../../ports/database.ts";

/** Any number will do, as long as nobody else in the database uses it: "door" in ASCII. */
const MIGRATION_LOCK = 0x646f6f72;
/** The table that remembers what was applied. */
const OWN_LIST = "schema_migration";

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** The migrations of this version, in order. */
export async function readMigrations(
  folder: string = fileURLToPath(new URL("./migrations", import.meta.url)),
): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(`${folder}/${name}`, "utf8");
      return { number: Number(name.slice(0, 4)), name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/**
 * Applies what is missing and answers the names of what it applied. Throws MIGRATION_MISMATCH. `schema` null = the
 * product's own tables; otherwise a schema with a list of its own, made when it is not there.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  schema: "sandbox" | null = null,
): Promise<readonly string[]> {
  const list = schema === null ? OWN_LIST : `${schema}.${OWN_LIST}`;
  // Nothing to do needs no right to do it: nodes may run with a role that cannot change the schema.
  if (await isUpToDate(database, migrations, list)) return [];
  return database.transaction(async (connection) => {
    await connection.query({ text: `SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})` });
    if (schema !== null) {
      // Reading the catalogue makes this session hear of a schema that another node made while we waited for the lock;
      // by itself it would go on believing what it was told above, and collide.
      await connection.query({ text: "SELECT count(*) FROM pg_namespace" });
      await connection.query({ text: `CREATE SCHEMA IF NOT EXISTS ${schema}` });
    }
    await connection.query({
      text: `CREATE TABLE IF NOT EXISTS ${list} (
        number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz DEFAULT now())`,
    });
    const applied = await appliedMigrations(connection, list);
    const fresh: string[] = [];
    for (const migration of migrations) {
      const known = applied.get(migration.number);
      if (known !== undefined && known !== migration.checksum) {
        throw new Fault("MIGRATION_MISMATCH", { internal: migration.name });
      }
      if (known !== undefined) continue;
      await connection.query({ text: migration.sql });
      await connection.query({ text: `INSERT INTO ${list} (number, name, checksum) VALUES ($1, $2, $3)` }, [
        migration.number,
        migration.name,
        migration.checksum,
      ]);
      fresh.push(migration.name);
    }
    return fresh;
  });
}

/** Every migration was applied, as it is now. Throws MIGRATION_MISMATCH for one that changed since. */
async function isUpToDate(database: Database, migrations: readonly Migration[], list: string): Promise<boolean> {
  const [exists] = await database.query<{ found: string | null }>({ text: "SELECT to_regclass($1)::text AS found" }, [
    list,
  ]);
  if (exists?.found == null) return false;
  const applied = await appliedMigrations(database, list);
  const changed = migrations.find(({ number, checksum }) => (applied.get(number) ?? checksum) !== checksum);
  if (changed !== undefined) throw new Fault("MIGRATION_MISMATCH", { internal: changed.name });
  return migrations.every(({ number }) => applied.has(number));
}

/** Names of migrations that this version has and the database has not. */
export async function pendingMigrations(
  database: Database,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const exists = await database.query<{ found: string | null }>({
    text: "SELECT to_regclass('schema_migration')::text AS found",
  });
  if (exists[0]?.found == null) return migrations.map((migration) => migration.name);
  const applied = await appliedMigrations(database, OWN_LIST);
  return migrations.filter((migration) => !applied.has(migration.number)).map((migration) => migration.name);
}

async function appliedMigrations(connection: SqlConnection, list: string): Promise<Map<number, string>> {
  const rows = await connection.query<{ number: number; checksum: string }>({
    text: `SELECT number, checksum FROM ${list}`,
  });
  return new Map(rows.map((row) => [row.number, row.checksum]));
}
