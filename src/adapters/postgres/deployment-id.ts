/**
 * The short name of this database, made once by a migration: what keeps two deployments on one Redis apart.
 *
 * It belongs to the database, not to a process: every node of a deployment reads the same. A copy of a database has it
 * too, so a copy that shall run beside its original needs a new one or a Redis of its own.
 */
import { Fault } from "../../domain/faults.ts";
import type { Database } from "../../ports/database.ts";

const READ = { text: "SELECT id FROM deployment" };

/** Twelve characters of a-z and 0-9. Needs the migrations; throws the database's faults. */
export async function readDeploymentId(database: Database): Promise<string> {
  const [row] = await database.query<{ id: string }>(READ);
  if (row === undefined) throw new Fault("DATABASE_REFUSED", { internal: "the table deployment is empty" });
  return row.id;
}
