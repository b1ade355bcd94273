/**
 * What operators read: sales with exact stock, statistics per stage and reason, orders with their buyers.
 *
 * Members are copied one by one, so internal numbers (item ids, sequence numbers, versions) never leave by themselves.
 * The shapes here are the contract of the operator API; the console and the command line are written against them.
 */
import { type LatencySummary, summarizeLatency } from "../../domain/latency-histogram.ts";
import type { Money } from "../../domain/money.ts";
import type { RefusalReason, Stage } from "../../domain/refusals.ts";
import { STAGES } from "../../domain/refusals.ts";
import type { Reservation } from "../../domain/reservation.ts";
import type {
  ChallengeRule,
  Eligibility,
  LedgerMode,
  Sale,
  SalePhase,
  SaleState,
  SignatureRule,
} from "../../domain/sale.ts";
import { saleStateAt } from "../../domain/sale.ts";
import type { DatabasePromise, Durability, LedgerStanding } from "../../ledger/ledger-view.ts";
import { toReservation } from "../../orders/reservation-view.ts";
import { DECISIONS, isAcceptance, stageOfDecision } from "../../ports/funnel-counts.ts";
import type { Stock } from "../../ports/ledger.ts";
import type { Order } from "../../ports/order-store.ts";
import type { SaleTotals } from "../../ports/stats-store.ts";

/** Exact figures of one item; `total = free + granted + held + sold`. */
export interface StockDocument {
  readonly sku: string;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
}

export interface SaleDocument {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly imageUrl: string | null;
  /** What buyers are told now. */
  readonly state: SaleState;
  /** What the operator decided. */
  readonly phase: SalePhase;
  readonly opensAt: number;
  readonly closesAt: number;
  readonly closedAt: number | null;
  readonly serverNow: number;
  readonly holdMs: number;
  readonly perBuyerMax: number;
  readonly challenge: ChallengeRule;
  readonly signature: SignatureRule;
  readonly eligibility: Eligibility;
  readonly mode: LedgerMode;
  readonly buckets: number;
  readonly epoch: number;
  readonly revision: number;
  readonly createdAt: number;
  readonly items: readonly (Omit<StockDocument, "total"> & {
    readonly name: string;
    readonly price: Money;
    readonly perBuyerMax: number;
    /** The same word as in the body that created the item; equal to `total`. */
    readonly stock: number;
    readonly total: number;
  })[];
}

export interface StageDocument {
  readonly stage: Stage | "none";
  readonly refused: number;
  readonly reasons: Readonly<Partial<Record<RefusalReason, number>>>;
}

/** How the sale's ledger stands, and why. */
export interface LedgerDocument {
  readonly mode: LedgerMode;
  /** Where the sale belongs with all servers well. */
  readonly wanted: "redis" | "postgres";
  readonly epoch: number;
  readonly reason: string;
  /** When it came into this mode, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Returns to redis mode so far. */
  readonly flips: number;
  readonly buckets: number;
  /** What Redis promises before it answers; null where none is configured. */
  readonly durability: Durability | null;
  /** What PostgreSQL promises of what it confirmed: `embedded` survives no power cut, `weakness` says why a server may not. */
  readonly database: Pick<DatabasePromise, "kind" | "weakness">;
  /** Reservations that Redis accepted and PostgreSQL does not have yet; null when Redis does not answer. */
  readonly backlog: number | null;
  /** Empty in postgres mode, null when Redis does not answer. */
  readonly bucketStock: readonly BucketDocument[] | null;
}

/** Units of one bucket: those nobody has, those that nodes have leased of them, those accepted in this epoch. */
export interface BucketDocument {
  readonly sku: string;
  readonly bucket: number;
  readonly available: number;
  readonly leased: number;
  readonly reserved: number;
  readonly isOpen: boolean;
}

export interface StatsDocument {
  readonly saleId: string;
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
  /** All seven stages in order, and "none" for faults of ours. */
  readonly stages: readonly StageDocument[];
  readonly rates: { readonly decisionsPerS: number; readonly acceptedPerS: number; readonly refusedPerS: number };
  readonly latencies: { readonly accepted: LatencySummary; readonly refused: LatencySummary };
  readonly stock: readonly StockDocument[];
  /** Attempts that wait for the ledger, in all nodes. */
  readonly backlog: number;
  /** Null where nobody can say how it stands. */
  readonly ledger: LedgerDocument | null;
  /** Processes that reported within the last seconds. */
  readonly nodes: number;
}

/** An order as operators see it: the owner's view, its buyer and its payment. */
export interface OrderDocument extends Reservation {
  readonly buyerId: string;
  readonly itemName: string;
  readonly paymentId: string | null;
}

/** The state a buyer is told, from the clock and the stock. An item without a stock row counts as gone. */
export function saleStateOf(sale: Sale, stock: readonly Stock[], nowMs: number): SaleState {
  const state = saleStateAt(sale, nowMs);
  // Granted units are somebody's to sell: they are only seen here while their buckets give no answer.
  if (state !== "open" || stock.some((item) => item.free + item.granted > 0)) return state;
  return stock.every((item) => item.sold === item.total) ? "sold_out" : "empty";
}

/** `stock` in any order, matched by item. */
export function saleDocument(sale: Sale, stock: readonly Stock[], nowMs: number): SaleDocument {
  return {
    id: sale.id,
    name: sale.name,
    description: sale.description,
    imageUrl: sale.imageUrl,
    state: saleStateOf(sale, stock, nowMs),
    phase: sale.phase,
    opensAt: sale.opensAt,
    closesAt: sale.closesAt,
    closedAt: sale.closedAt,
    serverNow: nowMs,
    holdMs: sale.holdMs,
    perBuyerMax: sale.perBuyerMax,
    challenge: sale.challenge,
    signature: sale.signature,
    eligibility: sale.eligibility,
    mode: sale.mode,
    buckets: sale.buckets,
    epoch: sale.epoch,
    revision: sale.revision,
    createdAt: sale.createdAt,
    items: stockDocuments(sale, stock).map((figures, index) => {
      const item = sale.items[index];
      if (item === undefined) throw new Error("every stock document has its item");
      const { name, price, perBuyerMax } = item;
      return { ...figures, name, price, perBuyerMax, stock: figures.total };
    }),
  };
}

/** The stock of each item of the sale, in the sale's order. */
export function stockDocuments(sale: Sale, stock: readonly Stock[]): readonly StockDocument[] {
  const byItem = new Map(stock.map((figures) => [figures.itemId, figures]));
  return sale.items.map((item) => stockDocument(item.sku, byItem.get(item.itemId)));
}

/** One item's figures; all zero when it has no stock row, which only a damaged database shows. */
export function stockDocument(sku: string, stock: Stock | undefined): StockDocument {
  const { total, free, granted, held, sold } = stock ?? { total: 0, free: 0, granted: 0, held: 0, sold: 0 };
  return { sku, total, free, granted, held, sold };
}

export function statsDocument(facts: {
  sale: Sale;
  stock: readonly Stock[];
  totals: SaleTotals;
  ledger: LedgerStanding | null;
  nowMs: number;
}): StatsDocument {
  const { sale, stock, totals, ledger, nowMs } = facts;
  const { acceptedPerS, refusedPerS } = totals.rates;
  const stages = stageDocuments(totals);
  const accepted = totals.decisions.accepted ?? 0;
  const replayed = totals.decisions.replayed ?? 0;
  const refused = stages.reduce((sum, stage) => sum + stage.refused, 0);
  return {
    saleId: sale.id,
    at: nowMs,
    state: saleStateOf(sale, stock, nowMs),
    mode: sale.mode,
    epoch: sale.epoch,
    decisions: { total: accepted + replayed + refused, accepted, replayed, refused },
    stages,
    rates: {
      decisionsPerS: tenths(acceptedPerS + refusedPerS),
      acceptedPerS: tenths(acceptedPerS),
      refusedPerS: tenths(refusedPerS),
    },
    latencies: {
      accepted: summarizeLatency(totals.accepted.counts),
      refused: summarizeLatency(totals.refused.counts),
    },
    stock: stockDocuments(sale, stock),
    backlog: totals.backlog,
    ledger: ledger === null ? null : ledgerDocument(ledger),
    nodes: totals.runsAlive,
  };
}

function ledgerDocument(standing: LedgerStanding): LedgerDocument {
  const { mode, wanted, epoch, reason, sinceMs, flips, buckets, durability, backlog, bucketStock } = standing;
  const { kind, weakness } = standing.database;
  return {
    mode,
    wanted,
    epoch,
    reason,
    sinceMs,
    flips,
    buckets,
    durability,
    database: { kind, weakness },
    backlog,
    bucketStock:
      bucketStock?.map(({ sku, bucket, available, leased, reserved, isOpen }) => {
        return { sku, bucket, available, leased, reserved, isOpen };
      }) ?? null,
  };
}

function stageDocuments(totals: SaleTotals): readonly StageDocument[] {
  return [...STAGES, "none" as const].map((stage) => {
    const reasons: Partial<Record<RefusalReason, number>> = {};
    let refused = 0;
    for (const decision of DECISIONS) {
      const count = totals.decisions[decision];
      if (count === undefined || isAcceptance(decision) || stageOfDecision(decision) !== stage) continue;
      reasons[decision] = count;
      refused += count;
    }
    return { stage, refused, reasons };
  });
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

export function orderDocument(order: Order): OrderDocument {
  return {
    ...toReservation(order),
    buyerId: order.buyerId,
    itemName: order.itemName,
    paymentId: order.paymentId,
  };
}
