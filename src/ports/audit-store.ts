/**
 * Port: the evidence of an audit, gathered in one snapshot.
 *
 * Promises that everything in one answer belongs to the same committed state of the primary (REPEATABLE READ, read
 * only), computed from the rows of orders, buyers' holds and adjustments themselves; the stock row is reported beside
 * them and never used to compute them. Blocks no writer. Samples are bounded, counts are not.
 *
 * Does not judge: ledger/auditor.ts compares and words the violations.
 */
import type { SaleId } from "../domain/ids.ts";
import type { LedgerMode } from "../domain/sale.ts";

/** A count of rows that should not exist, with a few of their ids. */
export interface Findings {
  readonly count: number;
  readonly sample: readonly string[];
}

/** Reservations of one status. */
export interface StatusSum {
  readonly status: string;
  readonly orders: number;
  readonly units: number;
}

/** Sequence numbers of one epoch and bucket. */
export interface SequenceFacts {
  readonly epoch: number;
  readonly bucket: number;
  readonly orders: number;
  readonly distinct: number;
  readonly lowest: number;
  readonly highest: number;
  /** Buckets were granted units in that epoch: what they accepted and never delivered is missing for good. */
  readonly isGranted: boolean;
}

/** The stock row as it stands. */
export interface StockRow {
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
  readonly seq: number;
}

export interface ItemEvidence {
  readonly sku: string;
  /** Null when the item has no stock row. */
  readonly stock: StockRow | null;
  /** Σ of all recorded additions and removals, the first stocking included. */
  readonly adjustedUnits: number;
  readonly statuses: readonly StatusSum[];
  readonly sequences: readonly SequenceFacts[];
  /** Buyers whose recorded hold differs from the sum of their active orders. */
  readonly holdMismatches: Findings;
  /** Buyers whose active orders exceed the limit that was in force when they bought. */
  readonly overLimit: Findings;
  /** Orders that claim money without naming a payment. */
  readonly paidWithoutPayment: Findings;
  /** Orders whose amount is not price times quantity. */
  readonly wrongAmounts: Findings;
  /** Orders of the item that are filed under another sale. */
  readonly misfiled: Findings;
}

export interface AuditEvidence {
  readonly saleId: string;
  readonly mode: LedgerMode;
  readonly epoch: number;
  /** Milliseconds since the epoch, by the database's clock. */
  readonly takenAt: number;
  readonly items: readonly ItemEvidence[];
}

export interface AuditStore {
  /** Null when there is no such sale. */
  gather(saleId: SaleId): Promise<AuditEvidence | null>;
}
