/**
 * The history of sales' modes in the table of migrations/0018_mode_changes.sql, whose triggers write it: implements ModeHistory.
 */
import type { Database, Statement } from "../../ports/database.ts";
import type { ModeChange, ModeHistory } from "../../ports/mode-history.ts";

const READ: Statement = {
  text: `SELECT at, from_mode AS "from", to_mode AS "to", epoch, reason FROM mode_change
          WHERE sale_id = $1 ORDER BY number DESC LIMIT $2`,
};

/** `implements ModeHistory`. */
export function createPostgresModeHistory(database: Database): ModeHistory {
  return {
    read: ({ saleId, rowsMax }) => database.query<ModeChange>(READ, [saleId, rowsMax]),
  };
}
