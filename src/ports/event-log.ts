/**
 * Port: the transactional outbox, read in commit order. The push hub and later consumers tail it.
 *
 * Promises: an event is there if and only if its transaction committed; reading from a cursor never skips one, also
 * when transactions commit out of order (rows are shown only below the oldest transaction still running). At least
 * once: a reader may see an event again after a restart. Cursors are internal: what a buyer gets is encrypted.
 *
 * Does not push: callers poll, and the change feed tells when it is worth doing earlier.
 */

/** One row: reservations that changed in one transaction. `rids[i]` belongs to `buyerIds[i]`. */
export interface LoggedEvent {
  readonly cursor: EventCursor;
  readonly kind: "held" | "expiring" | "ended" | "paid" | "refund_due" | "refunded";
  readonly rids: readonly string[];
  readonly buyerIds: readonly string[];
}

/** A position in commit order. */
export interface EventCursor {
  /** Transaction number; decimal digits. */
  readonly transaction: string;
  /** Row number inside the log; decimal digits. */
  readonly row: string;
}

export interface EventLog {
  /** The position after the newest readable event. */
  tip(): Promise<EventCursor>;
  /** Events beyond the cursor, oldest first. */
  read(request: { after: EventCursor; rowsMax: number }): Promise<readonly LoggedEvent[]>;
  /** Rids of the buyer's reservations that changed at or after the cursor's transaction: what a reconnecting page missed. */
  changedSince(request: { buyerId: string; after: EventCursor; rowsMax: number }): Promise<readonly string[]>;
  /** Deletes events older than the age; answers how many. */
  trim(request: { ageMsMin: number }): Promise<number>;
}
