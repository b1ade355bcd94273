/**
 * The ledger and the orders as a small model: plain maps, no database, no concurrency. What it says is what is right.
 *
 * One sale, several items, and nothing but the rules of docs/spec/ledger.md. Deliberately naive: it recomputes stock from
 * the orders each time, so it cannot share a bookkeeping mistake with the tables.
 */
import { nextStatus, type ReservationStatus } from "../../src/domain/reservation.ts";

export interface ModelOrder {
  readonly rid: string;
  readonly buyer: number;
  readonly item: number;
  readonly quantity: number;
  status: ReservationStatus;
  hasPayment: boolean;
  passed: boolean;
  cancelled: boolean;
}

export interface ModelStock {
  readonly total: number;
  readonly free: number;
  readonly held: number;
  readonly sold: number;
}

export class LedgerModel {
  readonly orders = new Map<string, ModelOrder>();
  readonly totals: number[];
  readonly perBuyerMax: number;
  phase: "scheduled" | "paused" = "scheduled";

  constructor(options: { stocks: readonly number[]; perBuyerMax: number }) {
    this.totals = [...options.stocks];
    this.perBuyerMax = options.perBuyerMax;
  }

  stock(item: number): ModelStock {
    const total = this.totals[item] ?? 0;
    const held = this.#sum(item, ["held", "expiring"]);
    const sold = this.#sum(item, ["paid"]);
    return { total, free: total - held - sold, held, sold };
  }

  /** Units of an item that count against the buyer's limit. */
  active(item: number, buyer: number): number {
    return this.#sum(item, ["held", "expiring", "paid"], buyer);
  }

  /** "held", "known", or the reason of the refusal. */
  attempt(wish: { rid: string; buyer: number; item: number; quantity: number }): string {
    const known = this.orders.get(wish.rid);
    if (known !== undefined) {
      if (known.item !== wish.item || known.quantity !== wish.quantity) return "key_reused";
      return ["held", "expiring", "paid"].includes(known.status) ? "known" : "ended";
    }
    if (wish.quantity < 1 || wish.quantity > this.perBuyerMax) return "bad_quantity";
    if (this.phase === "paused") return "paused";
    if (this.active(wish.item, wish.buyer) + wish.quantity > this.perBuyerMax) return "limit_reached";
    const stock = this.stock(wish.item);
    if (wish.quantity > stock.free) return stock.sold === stock.total ? "sold_out" : "empty";
    const fresh = { status: "held" as const, hasPayment: false, passed: false, cancelled: false };
    this.orders.set(wish.rid, { ...wish, ...fresh });
    return "held";
  }

  attach(rid: string): boolean {
    const order = this.orders.get(rid);
    if (order?.status !== "held") return false;
    order.hasPayment = true;
    return true;
  }

  cancel(rid: string): void {
    const order = this.orders.get(rid);
    if (order?.status !== "held") return;
    order.cancelled = true;
    order.status = order.hasPayment ? "expiring" : "cancelled";
  }

  /** Every passed hold begins to expire; answers all that are expiring. */
  beginExpiry(): string[] {
    for (const order of this.orders.values()) {
      if (order.status === "held" && order.passed) order.status = "expiring";
    }
    return [...this.orders.values()].filter((order) => order.status === "expiring").map((order) => order.rid);
  }

  finish(rids: readonly string[]): number {
    let finished = 0;
    for (const rid of rids) {
      const order = this.orders.get(rid);
      if (order === undefined) continue;
      const next = nextStatus(order.status, order.cancelled ? "cancel_completed" : "provider_cancelled");
      if (next === null) continue;
      order.status = next;
      finished++;
    }
    return finished;
  }

  settle(rid: string, isRightAmount: boolean): string {
    const order = this.orders.get(rid);
    if (order === undefined || !order.hasPayment) return "unknown";
    const fits =
      this.stock(order.item).free >= order.quantity &&
      this.active(order.item, order.buyer) + order.quantity <= this.perBuyerMax;
    const isEnded = order.status === "expired" || order.status === "cancelled";
    const money = isEnded && !fits ? "paid_without_stock" : "paid";
    const next = nextStatus(order.status, isRightAmount ? money : "paid_wrong_amount");
    if (next === null) return "unchanged";
    order.status = next;
    return next;
  }

  refund(rid: string): void {
    const order = this.orders.get(rid);
    if (order?.status === "refund_due") order.status = "refunded";
  }

  /** False when it would cut what is held or sold. */
  adjust(item: number, delta: number): boolean {
    if (this.stock(item).free + delta < 0) return false;
    this.totals[item] = (this.totals[item] ?? 0) + delta;
    return true;
  }

  #sum(item: number, statuses: readonly ReservationStatus[], buyer?: number): number {
    let sum = 0;
    for (const order of this.orders.values()) {
      if (order.item !== item || !statuses.includes(order.status)) continue;
      if (buyer === undefined || order.buyer === buyer) sum += order.quantity;
    }
    return sum;
  }
}
