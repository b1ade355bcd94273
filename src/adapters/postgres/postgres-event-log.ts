/**
 * The outbox read in commit order.
 *
 * Row numbers are given out before commit, so "id > last" would skip rows of slow transactions. Rows therefore carry
 * their transaction number, and only those below the oldest transaction still running are shown
 * (PostgreSQL manual, "Transaction ID and Snapshot Information Functions").
 */
import type { Database } from "../../ports/database.ts";
import type { EventCursor, EventLog, LoggedEvent } from "../../ports/event-log.ts";

const TIP = {
  name: "event_tip",
  text: "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS transaction",
};

const READ = {
  name: "event_read",
  text: `SELECT tx::text AS transaction, id::text AS row, kind, rids, buyer_ids AS "buyerIds" FROM outbox
          WHERE (tx, id) > ($1::text::xid8, $2::bigint) AND tx < pg_snapshot_xmin(pg_current_snapshot())
          ORDER BY tx, id LIMIT $3`,
};

const CHANGED = {
  name: "event_changed_since",
  text: `SELECT rid FROM orders WHERE buyer_id = $1 AND changed_tx >= $2::text::xid8 ORDER BY updated_at DESC LIMIT $3`,
};

const TRIM = { text: "DELETE FROM outbox WHERE at < now_ms() - $1::bigint RETURNING id" };

interface EventRow extends Omit<LoggedEvent, "cursor">, EventCursor {}

/** `implements EventLog` over the table `outbox`. */
export class PostgresEventLog implements EventLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async tip(): Promise<EventCursor> {
    const rows = await this.#database.query<{ transaction: string }>(TIP);
    return { transaction: rows[0]?.transaction ?? "0", row: "0" };
  }

  async read(request: { after: EventCursor; rowsMax: number }): Promise<readonly LoggedEvent[]> {
    const { after, rowsMax } = request;
    const rows = await this.#database.query<EventRow>(READ, [after.transaction, after.row, rowsMax]);
    return rows.map(({ transaction, row, kind, rids, buyerIds }) => ({
      cursor: { transaction, row },
      kind,
      rids,
      buyerIds,
    }));
  }

  async changedSince(request: { buyerId: string; after: EventCursor; rowsMax: number }): Promise<readonly string[]> {
    const values = [request.buyerId, request.after.transaction, request.rowsMax];
    const rows = await this.#database.query<{ rid: string }>(CHANGED, values);
    return rows.map((row) => row.rid);
  }

  async trim(request: { ageMsMin: number }): Promise<number> {
    return (await this.#database.query(TRIM, [request.ageMsMin])).length;
  }
}
