/**
 * Port: the books of the redis ledger in Postgres: committing acceptances, granting units, fencing, who does what.
 *
 * Promises. Each call is one transaction in the lock order sale fence → orders → buyer_hold → stock, idempotent, and
 * checks the sale's epoch inside it; what does not match changes nothing. `granted` and the grant log change in the same
 * transaction (P2). Throws the database's faults: DATABASE_UNAVAILABLE means unknown, send the same again;
 * DATABASE_REFUSED with a constraint means that one row is wrong: find it by halving.
 *
 * Does not talk to Redis: ledger/relay.ts and orders/commit-worker.ts do, before and after.
 */
import type { SaleId } from "../domain/ids.ts";
import type { LedgerMode } from "../domain/sale.ts";
import type { AcceptedRow, BucketEpoch, BucketNote } from "./bucket-store.ts";

/** An acceptance with the time its buyer was promised. */
export interface CommitRow extends AcceptedRow {
  /** Milliseconds since the epoch. */
  readonly promisedUntil: number;
}

export interface CommitBatch extends BucketEpoch {
  readonly saleId: SaleId;
  /** At most {@link COMMIT_ROWS_MAX}; rids are unique. */
  readonly rows: readonly CommitRow[];
}

export const COMMIT_ROWS_MAX = 1_024;

/**
 * What became of a row. "seq_taken": another rid has its number, or its rid has another number of the bucket, which
 * proves that Redis went back in time. "known" = committed earlier; or the rid is an order elsewhere (a key used again for
 * another item): its number was counted as void, its units are free again, and its bucket is told.
 */
export type CommitVerdict = "committed" | "known" | "seq_taken";

export type CommitOutcome =
  | { readonly kind: "fenced" }
  | {
      readonly kind: "done";
      /** In the order of the rows. */
      readonly verdicts: readonly CommitVerdict[];
      /** When the row's hold ends; 0 when it has none here. */
      readonly holdUntil: readonly number[];
    };

/**
 * Why a row became no hold. Only "limit" and "poison" give the units back to `free`; "over_issue" had none. "lost" takes no
 * number: it only says what became of the rid, which may be accepted again.
 */
export type VoidReason = "limit" | "poison" | "over_issue" | "lost";

/** Units on their way from Postgres to a bucket, or (asked back) from a bucket to Postgres. */
export interface Grant extends BucketEpoch {
  readonly grantId: string;
  readonly saleId: SaleId;
  /** Positive: granted. Negative: how many are asked back. */
  readonly units: number;
}

/** Ends and returns that buckets have to be told, in the order in which they happened. */
export interface PendingNote extends BucketNote {
  readonly noteId: number;
  readonly itemId: number;
  readonly epoch: number;
}

/** The stock of an item as one snapshot saw it, with what is granted to each bucket of the epoch. */
export interface BookedItem {
  readonly itemId: number;
  readonly sku: string;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
  readonly version: number;
  readonly buckets: readonly BookedBucket[];
}

export interface BookedBucket {
  readonly bucket: number;
  /** Σ over the grant log of the epoch, void rows excluded. */
  readonly grantedUnits: number;
  /** Orders of the epoch with `seq` above the number the caller named, and their units. */
  readonly orders: number;
  readonly units: number;
  /** The highest committed sequence number; 0 when none. */
  readonly seqMax: number;
}

/** Everything a quick audit reads, in one snapshot. */
export interface BookedSale {
  readonly saleId: SaleId;
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly takenAtMs: number;
  readonly items: readonly BookedItem[];
}

/** What Postgres itself has of an item, and what it granted to each bucket of the sale's epoch. */
export interface GrantedItem {
  readonly itemId: number;
  readonly epoch: number;
  readonly total: number;
  readonly free: number;
  readonly sold: number;
  readonly version: number;
  /** By bucket: Σ over the grant log of the epoch, void rows excluded. */
  readonly grantedUnits: readonly number[];
}

/** How a sale's ledger stands, for the conductor and the operator. */
export interface LedgerState {
  readonly saleId: SaleId;
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly buckets: number;
  /** Returns to redis mode so far. */
  readonly flips: number;
  /** When the mode last changed, by the database's clock, and why, in words for the operator. */
  readonly modeSinceMs: number;
  readonly modeReason: string;
  /** In redis mode: grants under way, notes, or free units wait to be brought to the buckets. Never true in another mode. */
  readonly isRelayDue: boolean;
  /** The database's clock. */
  readonly nowMs: number;
}

/** What a node says about itself once a second. */
export interface NodeReport {
  readonly nodeId: string;
  readonly roles: readonly string[];
  /** Null: this node has no Redis configured. */
  readonly canReachRedis: boolean | null;
  /** How old the report is, by the database's clock. */
  readonly ageMs: number;
}

export interface Books {
  commitBatch(batch: CommitBatch): Promise<CommitOutcome>;
  /** Records a row that cannot become a hold; with units to give back, they return to `free` and a note is written. */
  voidRow(
    request: BucketEpoch & { readonly saleId: SaleId; readonly row: CommitRow; readonly reason: VoidReason },
  ): Promise<void>;
  /** Gives back a sequence number that nobody can say anything about: it counts as lost, its units return to `free`. */
  voidSeq(
    request: BucketEpoch & { readonly saleId: SaleId; readonly seq: number; readonly quantity: number },
  ): Promise<void>;
  /** Acceptances of a fenced epoch that never became orders: recorded as `lost`; no units move. Known rids are skipped. */
  recordLost(request: BucketEpoch & { readonly saleId: SaleId; readonly rows: readonly CommitRow[] }): Promise<number>;
  /** Keeps what could not be read, for people. */
  recordDeadLetter(
    request: BucketEpoch & { readonly seq: number | null; readonly text: string; readonly error: string },
  ): Promise<void>;

  /** Moves up to `units` from free to granted for a bucket, and logs it. Null: nothing was free, or another epoch. */
  placeGrant(
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<Grant | null>;
  /** Notes down that units are asked back from a bucket; nothing moves yet. Null: another epoch. */
  askBack(
    request: BucketEpoch & { readonly saleId: SaleId; readonly grantId: string; readonly units: number },
  ): Promise<Grant | null>;
  /** Grants and recalls of the sale's epoch that were not settled yet, oldest first: work to resume after a crash. */
  listUnsettledGrants(request: { readonly saleId: SaleId; readonly epoch: number }): Promise<readonly Grant[]>;
  /** The bucket has answered: `movedUnits` as {@link BucketStore.credit} said. A recall's units go back to free. */
  settleGrant(request: { readonly grantId: string; readonly movedUnits: number }): Promise<void>;

  listNotes(request: {
    readonly saleId: SaleId;
    readonly epoch: number;
    readonly rowsMax: number;
  }): Promise<readonly PendingNote[]>;
  deleteNotes(noteIds: readonly number[]): Promise<void>;

  /**
   * The only way to change the epoch: waits for running commits, brings every granted unit home. False: too late, the epoch
   * is another one or the mode is none of `from` (absent = any): somebody may sell in it by now.
   */
  fence(request: {
    readonly saleId: SaleId;
    readonly seenEpoch: number;
    readonly from?: readonly LedgerMode[];
    readonly mode: LedgerMode;
    readonly reason: string;
  }): Promise<boolean>;
  /**
   * Changes the mode inside an epoch: redis → draining, warming → redis; postgres → postgres changes the reason only.
   * False: it was not in `from`.
   */
  changeMode(request: {
    readonly saleId: SaleId;
    readonly epoch: number;
    readonly from: LedgerMode;
    readonly to: LedgerMode;
    readonly reason: string;
  }): Promise<boolean>;
  readLedgerStates(saleIds: readonly SaleId[]): Promise<readonly LedgerState[]>;
  /** Of every sale that is on its way between modes (warming, draining) or whose {@link LedgerState.isRelayDue} is true. */
  listLedgersDue(): Promise<readonly LedgerState[]>;

  /**
   * All reservations of the item, in pages, as {@link BucketStore.load} wants them; cursor "" = from the start, null = the
   * last page.
   */
  readReservations(request: { readonly itemId: number; readonly cursor: string; readonly rowsMax: number }): Promise<{
    readonly reservations: readonly {
      readonly rid: string;
      readonly buyerId: string;
      readonly quantity: number;
      readonly hasEnded: boolean;
    }[];
    readonly next: string | null;
  }>;

  /** Of many items at once, in one snapshot, in the order of their ids; those that do not exist are left out. */
  readGrantedItems(request: { readonly itemIds: readonly number[] }): Promise<readonly GrantedItem[]>;
  /** One snapshot of the sale; `aboveSeq` says per item and bucket from where orders are counted. */
  readBooks(request: {
    readonly saleId: SaleId;
    readonly aboveSeq: (address: { readonly itemId: number; readonly bucket: number }) => number;
  }): Promise<BookedSale | null>;
  /** Σ quantity and count of orders with `afterSeq < seq ≤ throughSeq`: what an exact cut compares. */
  sumOrders(
    request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number },
  ): Promise<{ readonly orders: number; readonly units: number }>;
  /** Numbers between the two that no order has, at most `rowsMax`. */
  missingSeqs(
    request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number; readonly rowsMax: number },
  ): Promise<readonly number[]>;

  /** Tells the nodes' push hubs that new events can be read. A hint: callers send it after commits, not with them. */
  hintEvents(): Promise<void>;

  reportNode(report: Omit<NodeReport, "ageMs">): Promise<void>;
  /** Nodes that reported in the last half minute. */
  listNodeReports(): Promise<readonly NodeReport[]>;
}
