/**
 * The auditor: proves from independent evidence that every unit is in exactly one place, or says what is wrong.
 *
 * It rebuilds the expected stock from orders, buyers' holds, sequence numbers and recorded adjustments, and compares
 * that with the stock row; the ledger's own sums are never an input of the expectation. In redis mode the seven places
 * are proven as well (bucket-auditor.ts). It reads and words, it repairs nothing. Audits of one sale that are asked for
 * at the same time share one snapshot.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import { isActive, RESERVATION_STATUSES, type ReservationStatus } from "../domain/reservation.ts";
import type { LedgerMode } from "../domain/sale.ts";
import type {
  AuditEvidence,
  AuditStore,
  Findings,
  ItemEvidence,
  SequenceFacts,
  StockRow,
} from "../ports/audit-store.ts";
import type { BucketAuditor } from "./bucket-auditor.ts";
import type { AuditedPlaces, PlacesReport, PlaceViolationCode } from "./places.ts";

/** Every way the books can be wrong, with what it means. Codes are stable: scripts and alerts name them. */
export const AUDIT_VIOLATIONS = {
  stock_missing: "An item has no stock row.",
  stock_not_conserved: "total differs from free + granted + held + sold.",
  stock_negative: "A figure of the stock row is negative.",
  total_unexplained: "total differs from the sum of all recorded additions and removals.",
  held_mismatch: "held differs from the units of orders that are held or expiring.",
  sold_mismatch: "sold differs from the units of paid orders.",
  oversold: "Orders own more units than there are.",
  granted_unexpected: "Units are granted away although PostgreSQL alone decides.",
  status_unknown: "Orders have a status that does not exist.",
  buyer_hold_mismatch: "A buyer's recorded hold differs from the sum of the buyer's active orders.",
  buyer_over_limit: "A buyer owns more units than the limit allowed.",
  sequence_gap: "Sequence numbers are missing: reservations were lost.",
  sequence_duplicate: "A sequence number was given out twice.",
  sequence_counter_mismatch: "The sequence counter differs from the number of orders of its epoch.",
  epoch_from_future: "Orders carry an epoch that the sale has not reached.",
  paid_without_payment: "Orders claim money without naming a payment.",
  amount_mismatch: "An order's amount is not the item's price times its quantity.",
  order_misfiled: "Orders of the item are filed under another sale.",
} as const;

export type AuditViolationCode = keyof typeof AUDIT_VIOLATIONS;

export interface AuditViolation {
  readonly code: AuditViolationCode | PlaceViolationCode;
  readonly sku: string;
  readonly text: string;
}

export interface AuditedItem {
  readonly sku: string;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
  /** Units on their way between stores: granted away, not yet committed as orders. */
  readonly inFlight: number;
  /** What the orders say, for comparison. */
  readonly ordersHeld: number;
  readonly ordersSold: number;
  readonly orders: Readonly<Partial<Record<ReservationStatus, number>>>;
  /** Where the units in flight are, by a look of its own a moment later; null while Postgres alone decides. */
  readonly places: AuditedPlaces | null;
}

export interface AuditReport {
  readonly saleId: string;
  readonly balanced: boolean;
  /** Milliseconds since the epoch. */
  readonly takenAt: number;
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly items: readonly AuditedItem[];
  readonly violations: readonly AuditViolation[];
  /** Why nothing could be said about the buckets, in words; null when they were looked at or there are none. */
  readonly unproven: string | null;
}

/** The quick form: only where the units are, cheap enough for every second. */
export interface PlacesAudit extends PlacesReport {
  readonly balanced: boolean;
  readonly unproven: string | null;
}

export interface Auditor {
  /** Null when there is no such sale. */
  audit(saleId: SaleId): Promise<AuditReport | null>;
  /** Null when there is no such sale. Throws LEDGER_UNAVAILABLE when the buckets do not answer. */
  auditPlaces(saleId: SaleId): Promise<PlacesAudit | null>;
}

export function createAuditor(store: AuditStore, buckets: Pick<BucketAuditor, "check">): Auditor {
  const running = new Map<SaleId, Promise<AuditReport | null>>();
  return {
    audit(saleId) {
      const shared = running.get(saleId);
      if (shared !== undefined) return shared;
      const started = auditAll(saleId, store, buckets).finally(() => running.delete(saleId));
      running.set(saleId, started);
      return started;
    },
    async auditPlaces(saleId) {
      const places = await buckets.check(saleId);
      if (places === null) return null;
      return { ...places, balanced: places.violations.length === 0, unproven: places.trouble?.text ?? null };
    },
  };
}

async function auditAll(
  saleId: SaleId,
  store: AuditStore,
  buckets: Pick<BucketAuditor, "check">,
): Promise<AuditReport | null> {
  const evidence = await store.gather(saleId);
  if (evidence === null) return null;
  if (evidence.mode !== "redis" && evidence.mode !== "draining") return judge(evidence, null);
  try {
    return judge(evidence, await buckets.check(saleId));
  } catch (error) {
    if (!isFault(error)) throw error;
    return { ...judge(evidence, null), unproven: error.message };
  }
}

/** The verdict on a snapshot, and on the places that were looked at after it. Pure. */
export function judge(evidence: AuditEvidence, places: PlacesReport | null): AuditReport {
  const own = evidence.items.flatMap((item) => violationsOf(item, evidence));
  const violations = [...own, ...(places?.violations ?? [])];
  return {
    saleId: evidence.saleId,
    balanced: violations.length === 0,
    takenAt: evidence.takenAt,
    mode: evidence.mode,
    epoch: evidence.epoch,
    items: evidence.items.map((item) => describeItem(item, places)),
    violations,
    unproven: places?.trouble?.text ?? null,
  };
}

const NO_STOCK: StockRow = { total: 0, free: 0, granted: 0, held: 0, sold: 0, seq: 0 };

function describeItem(item: ItemEvidence, places: PlacesReport | null): AuditedItem {
  const stock = item.stock ?? NO_STOCK;
  const { total, free, granted, held, sold } = stock;
  return {
    sku: item.sku,
    total,
    free,
    granted,
    held,
    sold,
    inFlight: granted,
    ordersHeld: unitsOf(item, isHolding),
    ordersSold: unitsOf(item, isSold),
    orders: Object.fromEntries(item.statuses.map((sum) => [sum.status, sum.orders])),
    places: places?.items.find((candidate) => candidate.sku === item.sku) ?? null,
  };
}

function violationsOf(item: ItemEvidence, evidence: AuditEvidence): readonly AuditViolation[] {
  const found: AuditViolation[] = [];
  const report: Report = (code, detail) => {
    found.push({ code, sku: item.sku, text: `${AUDIT_VIOLATIONS[code]} ${detail}` });
  };
  if (item.stock === null) report("stock_missing", `Item ${item.sku}.`);
  else checkStock(item, item.stock, evidence, report);
  checkOrders(item, report);
  checkSequences(item, evidence, report);
  return found;
}

type Report = (code: AuditViolationCode, detail: string) => void;

function checkStock(item: ItemEvidence, stock: StockRow, evidence: AuditEvidence, report: Report): void {
  const { total, free, granted, held, sold } = stock;
  const places = free + granted + held + sold;
  const ordersHeld = unitsOf(item, isHolding);
  const ordersSold = unitsOf(item, isSold);
  if (places !== total) report("stock_not_conserved", `total ${total}, sum ${places}.`);
  if (Math.min(free, granted, held, sold) < 0) {
    report("stock_negative", `free ${free}, granted ${granted}, held ${held}, sold ${sold}.`);
  }
  if (item.adjustedUnits !== total) report("total_unexplained", `total ${total}, recorded ${item.adjustedUnits}.`);
  if (ordersHeld !== held) report("held_mismatch", `held ${held}, orders ${ordersHeld}.`);
  if (ordersSold !== sold) report("sold_mismatch", `sold ${sold}, orders ${ordersSold}.`);
  if (ordersHeld + ordersSold > total) report("oversold", `total ${total}, orders own ${ordersHeld + ordersSold}.`);
  if (evidence.mode === "postgres" && granted !== 0) report("granted_unexpected", `granted ${granted}.`);
}

function checkOrders(item: ItemEvidence, report: Report): void {
  for (const sum of item.statuses) {
    if (!isStatus(sum.status)) report("status_unknown", `${sum.orders} orders with ${JSON.stringify(sum.status)}.`);
  }
  const findings: readonly (readonly [AuditViolationCode, Findings, string])[] = [
    ["buyer_hold_mismatch", item.holdMismatches, "buyers"],
    ["buyer_over_limit", item.overLimit, "buyers"],
    ["paid_without_payment", item.paidWithoutPayment, "orders"],
    ["amount_mismatch", item.wrongAmounts, "orders"],
    ["order_misfiled", item.misfiled, "orders"],
  ];
  for (const [code, { count, sample }, what] of findings) {
    if (count > 0) report(code, `${count} ${what}, among them ${sample.join(", ")}.`);
  }
}

function checkSequences(item: ItemEvidence, evidence: AuditEvidence, report: Report): void {
  for (const facts of item.sequences) {
    const where = `epoch ${facts.epoch}, bucket ${facts.bucket}`;
    if (facts.distinct < facts.orders) report("sequence_duplicate", `${where}: ${facts.orders - facts.distinct}.`);
    // What buckets accepted is committed out of order, and with their epoch what is missing is lost on record.
    if (!facts.isGranted && (facts.lowest !== 1 || facts.highest !== facts.distinct)) {
      report("sequence_gap", `${where}: ${facts.distinct} numbers from ${facts.lowest} to ${facts.highest}.`);
    }
    if (facts.epoch > evidence.epoch) report("epoch_from_future", `${where}, the sale is in ${evidence.epoch}.`);
  }
  if (item.stock === null || evidence.mode !== "postgres") return;
  const current = item.sequences.filter((facts) => facts.epoch === evidence.epoch).reduce(sumOrders, 0);
  if (current !== item.stock.seq) {
    report("sequence_counter_mismatch", `counter ${item.stock.seq}, orders ${current} in epoch ${evidence.epoch}.`);
  }
}

function sumOrders(sum: number, facts: SequenceFacts): number {
  return sum + facts.orders;
}

function unitsOf(item: ItemEvidence, counts: (status: ReservationStatus) => boolean): number {
  return item.statuses.reduce((sum, row) => (isStatus(row.status) && counts(row.status) ? sum + row.units : sum), 0);
}

function isStatus(status: string): status is ReservationStatus {
  return (RESERVATION_STATUSES as readonly string[]).includes(status);
}

function isSold(status: ReservationStatus): boolean {
  return status === "paid";
}

function isHolding(status: ReservationStatus): boolean {
  return isActive(status) && !isSold(status);
}
