/**
 * Rehearsals in the table of migrations/0021_rehearsals.sql: implements RehearsalStore.
 *
 * One runs at a time because whoever begins holds a lock while he looks; the lock is let go with the row written.
 */
import type { Database, Statement } from "../../ports/database.ts";
import type { RehearsalStore, StoredRehearsal } from "../../ports/rehearsal-store.ts";

/** Any number that nobody else in the database uses: "rhrs" in ASCII. */
const REHEARSAL_LOCK = 0x72687273;
const LOCK: Statement = { text: `SELECT pg_advisory_xact_lock(${REHEARSAL_LOCK})` };
const RUNNING: Statement = {
  text: "SELECT id FROM rehearsal WHERE finished_at IS NULL AND ends_at > now_ms() LIMIT 1",
};
const BEGIN: Statement = {
  text: "INSERT INTO rehearsal (id, sale_id, ends_at) VALUES ($1, $2, now_ms() + $3::bigint)",
};
const FINISH: Statement = {
  text: `UPDATE rehearsal SET finished_at = now_ms(), signed = $2, failure = $3
          WHERE id = $1 AND finished_at IS NULL`,
};
const COLUMNS = `id, sale_id AS "saleId", started_at AS "startedAt", ends_at AS "endsAt", finished_at AS "finishedAt",
  signed, failure, is_stopping AS "isStopping"`;
/** One whose node died is over half a minute later: a node that lives has closed its sales by then. */
const ASK_TO_STOP: Statement = {
  text: `UPDATE rehearsal SET is_stopping = true, ends_at = least(ends_at, now_ms() + 30000)
          WHERE id = $1 AND finished_at IS NULL AND NOT is_stopping`,
};
const FIND: Statement = { text: `SELECT ${COLUMNS} FROM rehearsal WHERE id = $1` };
const LIST: Statement = {
  text: `SELECT ${COLUMNS} FROM rehearsal WHERE $1::text IS NULL OR sale_id = $1 ORDER BY started_at DESC, id LIMIT $2`,
};

/** `implements RehearsalStore`. */
export function createPostgresRehearsalStore(database: Database): RehearsalStore {
  return {
    begin: ({ id, saleId, durationMs }) =>
      database.transaction(async (connection) => {
        await connection.query(LOCK);
        if ((await connection.query(RUNNING)).length > 0) return false;
        await connection.query(BEGIN, [id, saleId, durationMs]);
        return true;
      }),
    finish: async ({ id, signed, failure }) => {
      await database.query(FINISH, [id, signed, failure]);
    },
    askToStop: async (id) => {
      await database.query(ASK_TO_STOP, [id]);
    },
    find: async (id) => (await database.query<StoredRehearsal>(FIND, [id]))[0] ?? null,
    list: ({ saleId, rowsMax }) => database.query<StoredRehearsal>(LIST, [saleId, rowsMax]),
  };
}
