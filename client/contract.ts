/**
 * The buyer API's documents as a client sees them: the SDK's own copy of the contract's types.
 *
 * Kept apart from the server's code on purpose, so that a page or a shop can ship client/ alone. The black-box tests
 * hold both equal. Times are milliseconds since the epoch by the server's clock; money is in minor units.
 */

export interface Money {
  readonly amount: number;
  readonly currency: string;
}

export type SaleState = "scheduled" | "open" | "paused" | "empty" | "sold_out" | "closed";
export type Availability = "plenty" | "some" | "few" | "none";

export interface SaleItem {
  readonly sku: string;
  readonly name: string;
  readonly price: Money;
  readonly perBuyerMax: number;
  readonly availability: Availability;
}

/** The public document of a sale. */
export interface SaleDocument {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly imageUrl?: string;
  readonly state: SaleState;
  readonly opensAt: number;
  readonly closesAt: number;
  /** Buyers who may come before the others; which tier is whose, only a pass tells. */
  readonly tiers?: readonly { readonly name: string; readonly opensAt: number }[];
  readonly serverNow: number;
  readonly challenge: "none" | "adaptive" | "always";
  readonly signature: "required" | "optional";
  readonly items: readonly SaleItem[];
}

export type ReservationStatus =
  | "queued"
  | "held"
  | "expiring"
  | "paid"
  | "expired"
  | "cancelled"
  | "void"
  | "lost"
  | "refund_due"
  | "refunded";

/** A reservation as its owner sees it. */
export interface Reservation {
  readonly rid: string;
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly status: ReservationStatus;
  readonly holdUntil: number;
  readonly reason?: string;
  readonly amount: Money;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** The answer to an accepted attempt. `receipt` is the server's signed statement of it. */
export interface Acceptance {
  readonly rid: string;
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly status: ReservationStatus;
  readonly holdUntil: number;
  readonly receipt: string;
}

/** What a page may tell of its device when a session begins; see the contract for the bounds. */
export interface PageSignals {
  readonly automation: boolean;
  readonly timeZone: string;
  readonly languages: readonly string[];
  readonly screen: { readonly width: number; readonly height: number; readonly depth: number };
  readonly hardwareConcurrency: number;
  readonly touch: number;
  readonly webgl?: string;
  readonly canvas?: string;
}

/** A place at the provider where the buyer pays. */
export interface CheckoutPage {
  readonly checkoutUrl: string;
  readonly paymentId: string;
}

/** A started session, also the form in which a caller may keep it. `signingKey` is a secret: memory only. */
export interface StoredSession {
  readonly token: string;
  readonly signingKey: string;
  readonly buyerId: string;
  readonly expiresAt: number;
}

/** What must be solved before attempts of a sale are let through. Further members are the kind's own. */
export interface Challenge {
  readonly kind: string;
  /** Goes back with the solution. */
  readonly token: string;
  readonly expiresAt: number;
  /** Kinds that may be asked for in its place. */
  readonly alternatives: readonly string[];
  /** The kind to ask for in its place if a person is there to solve it. */
  readonly preferred?: string;
  readonly difficulty: number;
  readonly [member: string]: unknown;
}

/** What a solved challenge is worth: it clears attempts of this session in this sale. */
export interface Clearance {
  readonly saleId: string;
  readonly clearance: string;
  readonly expiresAt: number;
}

/** An RFC 9457 document: every answer that is not a success. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly reason: string;
  readonly stage?: string;
  readonly retryAfterMs?: number;
  /** Further members: `opensAt` and `serverNow` for `not_open`, `rule` for `not_eligible`, `left` for `empty`, `requestId`. */
  readonly [member: string]: unknown;
}
