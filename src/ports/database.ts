/**
 * Port: a PostgreSQL database, real or embedded, as the adapters of this repository use it.
 *
 * Promises: `query` is one statement in its own transaction; `transaction` is BEGIN … COMMIT on one connection,
 * rolled back when the callback throws. Errors are Faults: DATABASE_UNAVAILABLE (outcome unknown), DATABASE_CONFLICT
 * (rolled back, may be repeated), DATABASE_REFUSED (a constraint or a bug; `constraint` and `sqlState` on the cause).
 *
 * Who holds a transaction open holds a connection: embedded mode has exactly one.
 */

export type SqlValue = string | number | boolean | null | Date | readonly string[] | readonly number[];

/** `name` makes it a prepared statement of the connection: use it for what runs often. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
}

export interface SqlConnection {
  query<Row>(statement: Statement, values?: readonly SqlValue[]): Promise<readonly Row[]>;
}

export interface Database extends SqlConnection {
  readonly kind: "postgres" | "pglite";
  transaction<Result>(work: (connection: SqlConnection) => Promise<Result>): Promise<Result>;
  /** Calls back for each NOTIFY on the channel, reconnecting by itself; `onGap` after each (re)connection. */
  listen(channel: string, onNotify: (payload: string) => void, onGap: () => void): Promise<() => Promise<void>>;
  /** Ends all connections; running statements may finish. */
  close(): Promise<void>;
}
