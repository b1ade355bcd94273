/**
 * The operator API's documents as the console reads them; the server's own are in src/http/operator/documents.ts.
 *
 * Only the members the console shows are listed. documents.test.ts fails to compile when the server's documents stop
 * having them.
 */
import type { Money } from "../../src/domain/money.ts";
import type { OperatorRole } from "../../src/domain/operator-role.ts";
import type { ReservationStatus } from "../../src/domain/reservation.ts";
import type { ChallengeRule, Eligibility, LedgerMode, SaleState, SignatureRule } from "../../src/domain/sale.ts";

/** Exact figures of one item; `total = free + granted + held + sold`. */
export interface StockFigures {
  readonly sku: string;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
}

export interface SaleItem extends StockFigures {
  readonly name: string;
  readonly price: Money;
  readonly perBuyerMax: number;
}

export interface Sale {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly state: SaleState;
  readonly phase: "scheduled" | "paused" | "closed";
  readonly opensAt: number;
  readonly closesAt: number;
  readonly serverNow: number;
  readonly holdMs: number;
  readonly perBuyerMax: number;
  readonly challenge: ChallengeRule;
  readonly signature: SignatureRule;
  readonly eligibility: Eligibility;
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly items: readonly SaleItem[];
}

export interface Latencies {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Stats {
  readonly at: number;
  readonly state: SaleState;
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly decisions: {
    readonly total: number;
    readonly accepted: number;
    readonly replayed: number;
    readonly refused: number;
  };
  readonly stages: readonly {
    readonly stage: string;
    readonly refused: number;
    readonly reasons: Readonly<Record<string, number>>;
  }[];
  readonly rates: { readonly decisionsPerS: number; readonly acceptedPerS: number };
  readonly latencies: { readonly accepted: Latencies; readonly refused: Latencies };
  readonly stock: readonly StockFigures[];
  readonly backlog: number;
  /** Null on nodes that cannot say. */
  readonly ledger: Ledger | null;
  readonly nodes: number;
}

/** How the sale's ledger stands. */
export interface Ledger {
  readonly mode: LedgerMode;
  readonly wanted: "redis" | "postgres";
  readonly epoch: number;
  readonly reason: string;
  readonly sinceMs: number;
  readonly flips: number;
  readonly buckets: number;
  /** Null where no Redis is configured. */
  readonly durability: "always" | "everysec" | null;
  /** Why a confirmed order may not survive a power cut; null when it does. */
  readonly database: { readonly kind: "server" | "embedded"; readonly weakness: string | null };
  /** Null when Redis does not answer. */
  readonly backlog: number | null;
  readonly bucketStock: readonly Bucket[] | null;
}

export interface Bucket {
  readonly sku: string;
  readonly bucket: number;
  readonly available: number;
  readonly leased: number;
  readonly reserved: number;
  readonly isOpen: boolean;
}

/** One step on the way to the mode that the sale is in; `from` null where it began. */
export interface ModeChange {
  readonly at: number;
  readonly from: LedgerMode | null;
  readonly to: LedgerMode;
  readonly epoch: number;
  readonly reason: string;
}

export interface Order {
  readonly rid: string;
  readonly sku: string;
  readonly itemName: string;
  readonly buyerId: string;
  readonly quantity: number;
  readonly status: ReservationStatus;
  readonly amount: Money;
  readonly createdAt: number;
  readonly paymentId: string | null;
}

export interface OrderPage {
  readonly orders: readonly Order[];
  /** Null on the last page. */
  readonly next: string | null;
}

/** Where an item's units are while Redis sells: seven places that sum up to the total. */
export interface Places {
  readonly total: number;
  readonly free: number;
  readonly unapplied: number;
  readonly available: number;
  readonly leased: number;
  readonly uncommitted: number;
  readonly held: number;
  readonly sold: number;
  readonly sum: number;
}

export interface AuditReport {
  readonly balanced: boolean;
  readonly takenAt: number;
  readonly items: readonly (StockFigures & {
    readonly inFlight: number;
    readonly ordersHeld: number;
    readonly ordersSold: number;
    readonly places: Places | null;
  })[];
  readonly violations: readonly { readonly code: string; readonly sku: string; readonly text: string }[];
  /** Why the buckets could not be looked at; null when they were, or there are none. */
  readonly unproven: string | null;
}

export interface Ban {
  readonly id: string;
  readonly kind: "buyer" | "ip" | "device";
  readonly subject: string;
  readonly reason: string;
  readonly effect: "refuse" | "cool_down" | "exempt";
  readonly origin: "operator" | "automatic";
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  readonly isActive: boolean;
  readonly isEnrolled: boolean;
}

/** A change that waits for a second person, or waited. */
export interface Approval {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly digest: string;
  readonly requestedBy: { readonly id: string; readonly name: string };
  readonly requestedAt: number;
  readonly expiresAt: number;
  readonly state: "waiting" | "approved" | "rejected" | "withdrawn";
  readonly decidedBy: { readonly name: string } | null;
  readonly outcome: number | null;
}

/** What a change is answered with: its own document, or that it waits for a second person. */
export type Answered = Readonly<Record<string, unknown>>;

/** True when nothing was done yet, because it takes two. */
export function isWaiting(answer: Answered): boolean {
  return "approval" in answer;
}
