/**
 * The seven places of a sale in redis mode, and the words for what can be wrong with them.
 *
 * total = free + unapplied + available + leased + uncommitted + held + sold. Who fills this in: bucket-auditor.ts.
 */
import type { SaleId } from "../domain/ids.ts";
import type { LedgerMode } from "../domain/sale.ts";

/** Every way the places of a sale in redis mode can be wrong. Codes are stable: scripts and alerts name them. */
export const PLACE_VIOLATIONS = {
  granted_mismatch: "granted differs from what the grant log gave minus what became orders (P2).",
  places_mismatch: "The seven places of an item do not add up to its total.",
  bucket_unbalanced: "A bucket's units do not add up to what was granted to it (R1).",
  leases_unbalanced: "The leases of a bucket do not add up to what is leased (R2).",
  redis_rolled_back: "Postgres has orders that the bucket does not know: Redis lost writes (X2).",
  phantom_credit: "A bucket was credited more than Postgres granted (X1).",
  cut_mismatch: "At a past cut, the orders are not what the bucket had accepted.",
} as const;

export type PlaceViolationCode = keyof typeof PLACE_VIOLATIONS;

export interface PlaceViolation {
  readonly code: PlaceViolationCode;
  readonly sku: string;
  readonly text: string;
}

/** A violation of the code, its text completed with the figures. */
export function violation(code: PlaceViolationCode, sku: string, detail: string): PlaceViolation {
  return { code, sku, text: `${PLACE_VIOLATIONS[code]} ${detail}` };
}

/** What one bucket holds of an item. */
export interface AuditedBucket {
  readonly bucket: number;
  /** Granted by Postgres, not yet credited (or debited already and not yet home). */
  readonly unapplied: number;
  readonly available: number;
  readonly leased: number;
  /** Accepted by the bucket, not yet an order. */
  readonly uncommitted: number;
  /** How many acceptances the bucket made, and how many of them are proven to be orders without a gap. */
  readonly seq: number;
  readonly provenSeq: number;
  readonly isOpen: boolean;
  /** How long the oldest missing number has been missing, as this process saw it; 0 when none is. */
  readonly gapMs: number;
}

/** The seven places of an item: free, unapplied, available, leased, uncommitted, held, sold. */
export interface AuditedPlaces {
  readonly itemId: number;
  readonly sku: string;
  readonly total: number;
  readonly free: number;
  readonly unapplied: number;
  readonly available: number;
  readonly leased: number;
  readonly uncommitted: number;
  readonly held: number;
  readonly sold: number;
  /** Σ of the seven; differs from `total` only together with a violation. */
  readonly sum: number;
  readonly buckets: readonly AuditedBucket[];
}

/** Why redis mode cannot go on, found in the same look. */
export interface PlacesTrouble {
  readonly kind: "redis_lost" | "postgres_rolled_back";
  readonly text: string;
}

export interface PlacesReport {
  readonly saleId: SaleId;
  readonly mode: LedgerMode;
  readonly epoch: number;
  /** By the database's clock. */
  readonly takenAt: number;
  readonly items: readonly AuditedPlaces[];
  readonly violations: readonly PlaceViolation[];
  /** Set while nothing can be said about the buckets; the violations are then none. */
  readonly trouble: PlacesTrouble | null;
}

/** The proven part: every number from 1 to `throughSeq` is an order. */
export interface Proven {
  readonly throughSeq: number;
  readonly orders: number;
  readonly units: number;
}
