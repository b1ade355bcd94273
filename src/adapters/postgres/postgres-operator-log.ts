/**
 * The operators' log in the tables of migrations/0015_operator_log.sql: implements OperatorLog.
 *
 * The database numbers, dates and chains; the lock on the chain's head puts the writers of all nodes in line.
 */
import type { LogEntry, LogHead } from "../../domain/operator-log.ts";
import type { Database, Statement } from "../../ports/database.ts";
import type { OperatorLog } from "../../ports/operator-log.ts";

const APPEND: Statement = { name: "append_operator_log", text: "SELECT seq, hash FROM append_operator_log($1)" };
const READ: Statement = {
  text: "SELECT seq, at, entry, previous, hash FROM operator_log WHERE seq > $1 ORDER BY seq LIMIT $2",
};
const HEAD: Statement = { text: "SELECT seq, hash FROM operator_log_head" };

/** `implements OperatorLog`. */
export class PostgresOperatorLog implements OperatorLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async append(entry: string): Promise<LogHead> {
    return only(await this.#database.query<LogHead>(APPEND, [entry]));
  }

  read(request: { afterSeq: number; rowsMax: number }): Promise<readonly LogEntry[]> {
    return this.#database.query<LogEntry>(READ, [request.afterSeq, request.rowsMax]);
  }

  async head(): Promise<LogHead> {
    return only(await this.#database.query<LogHead>(HEAD));
  }
}

function only([row]: readonly LogHead[]): LogHead {
  if (row === undefined) throw new Error("the operator log has no head");
  return row;
}
