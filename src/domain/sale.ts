/**
 * A sale and its items as every node knows them, and the words for the state a sale is in.
 *
 * The stored part of a state is only what an operator decided (SalePhase) and the two instants; "open" and "closed by
 * time" follow from the clock, so nobody has to flip a switch at T0. Stock figures live in ports/ledger.ts.
 */
import type { SaleId, Sku } from "./ids.ts";
import type { Money } from "./money.ts";

/** What the operator decided; the rest of the state is the clock's. */
export type SalePhase = "scheduled" | "paused" | "closed";
/** What a buyer is told. */
export type SaleState = "scheduled" | "open" | "paused" | "empty" | "sold_out" | "closed";
/** How much is left, never an exact count. */
export type Availability = "plenty" | "some" | "few" | "none";
/** Who decides about stock now. Changed only together with the epoch. */
export type LedgerMode = "postgres" | "redis" | "draining" | "warming" | "closed";
/** Whether a request must carry a signature; one that is sent is always checked. */
export type SignatureRule = "required" | "optional";
/** Whether attempts need a solved challenge: never, under load or suspicion only, or always. */
export type ChallengeRule = "none" | "adaptive" | "always";

/** More buckets than this would leave too little stock in each. The column's CHECK says the same. */
export const BUCKETS_MAX = 64;

/**
 * Buyers who may come before the sale opens to everybody: whom the allowlist names for the tier, and whoever satisfies
 * all of the tier's rules where it has any. Of several tiers a buyer belongs to, the earliest counts.
 */
export interface Tier {
  readonly name: string;
  /** Earlier than the sale's own. Milliseconds since the epoch. */
  readonly opensAt: number;
  readonly levelMin?: number | undefined;
  readonly accountAgeMsMin?: number | undefined;
}

/** More tiers than this are no tiers but a queue. */
export const TIERS_MAX = 8;

/** Who may buy. Every rule present must hold; absent rules admit everyone. */
export interface Eligibility {
  /** Who may buy before the others. Does not admit anybody whom another rule excludes. */
  readonly tiers?: readonly Tier[] | undefined;
  /** Only buyers on the sale's allowlist. */
  readonly allowlist?: boolean | undefined;
  /** Minimum age of the shop account when the attempt arrives. Guests never satisfy it. */
  readonly accountAgeMsMin?: number | undefined;
  /** Minimum `level` claim of the shop account. Guests have level 0. */
  readonly levelMin?: number | undefined;
  /** Buyers who are refused whatever else holds. */
  readonly blocklist?: readonly string[] | undefined;
}

/** A thing with limited stock. `itemId` is internal and never leaves the server. */
export interface Item {
  readonly itemId: number;
  readonly sku: Sku;
  readonly name: string;
  readonly price: Money;
  readonly perBuyerMax: number;
}

/** A timed event with items, as the catalogue holds it. Times in milliseconds since the epoch. */
export interface Sale {
  readonly id: SaleId;
  readonly name: string;
  readonly description: string | null;
  readonly imageUrl: string | null;
  readonly phase: SalePhase;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly closedAt: number | null;
  readonly holdMs: number;
  readonly perBuyerMax: number;
  readonly challenge: ChallengeRule;
  readonly signature: SignatureRule;
  readonly eligibility: Eligibility;
  readonly mode: LedgerMode;
  /** Into how many buckets the redis ledger splits each item's stock; 1 unless one server is really too slow. */
  readonly buckets: number;
  /** The fencing number of the sale's ledger; only ever grows. */
  readonly epoch: number;
  /** Grows with every change of the sale's own row, so that an older copy never replaces a newer one. */
  readonly revision: number;
  readonly createdAt: number;
  readonly items: readonly Item[];
}

/** When the first buyers may buy: those of the earliest tier, or everybody. */
export function firstOpensAt(sale: Pick<Sale, "opensAt" | "eligibility">): number {
  let opensAt = sale.opensAt;
  for (const tier of sale.eligibility.tiers ?? []) if (tier.opensAt < opensAt) opensAt = tier.opensAt;
  return opensAt;
}

/**
 * The state that follows from the operator's decision and the clock alone. `opensAt` is the sale's, for everybody, or
 * {@link firstOpensAt} for whoever must be ready for the first buyer.
 */
export function saleStateAt(
  sale: Sale,
  nowMs: number,
  opensAt: number = sale.opensAt,
): "scheduled" | "open" | "paused" | "closed" {
  if (sale.phase === "closed" || nowMs >= sale.closesAt) return "closed";
  if (sale.phase === "paused") return "paused";
  return nowMs < opensAt ? "scheduled" : "open";
}

const FEW_FRACTION_MAX = 0.05;
const SOME_FRACTION_MAX = 0.3;

/** The band a buyer may see: exact counts would let a bot price its effort (OWASP OAT-011). */
export function availabilityOf(stock: { free: number; total: number }): Availability {
  if (stock.free <= 0) return "none";
  const fraction = stock.free / stock.total;
  if (fraction <= FEW_FRACTION_MAX) return "few";
  return fraction <= SOME_FRACTION_MAX ? "some" : "plenty";
}
