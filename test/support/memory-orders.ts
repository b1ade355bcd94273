/**
 * An OrderStore in memory: the contract of the port over one item, small enough to be believed by reading it.
 *
 * Statuses move by the table of domain/reservation.ts; units move beside them and their sum is checked after every
 * move. Orders are put in with `hold`, time is the clock's that the test holds.
 */
import assert from "node:assert";
import { type BuyerId, parseBuyerId, parseRid, type Rid } from "../../src/domain/ids.ts";
import { isSameMoney, type Money } from "../../src/domain/money.ts";
import { nextStatus, type ReservationEvent, type ReservationStatus } from "../../src/domain/reservation.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { EndingOrder, Order, OrderPage, OrderStore, RefundDue, Settlement } from "../../src/ports/order-store.ts";

type StoredOrder = { -readonly [Key in keyof Order]: Order[Key] } & { lookAt: number; buyerAsked: boolean };

export const PRICE: Money = { amount: 4_900, currency: "EUR" };

export class MemoryOrders implements OrderStore {
  readonly #clock: Clock;
  readonly #orders = new Map<string, StoredOrder>();
  readonly #notifications = new Set<string>();
  readonly #total: number;
  free: number;
  held = 0;
  sold = 0;

  constructor(clock: Clock, total: number) {
    this.#clock = clock;
    this.#total = total;
    this.free = total;
  }

  /** A fresh hold of one unit. */
  hold(name: string, options: { holdMs?: number; buyer?: string } = {}): Rid {
    const rid = ridOf(name);
    assert(this.free > 0, "nothing is free");
    const nowMs = this.#clock.nowMs();
    this.#orders.set(rid, {
      rid,
      saleId: "sale",
      sku: "sku",
      quantity: 1,
      status: "held",
      holdUntil: nowMs + (options.holdMs ?? 600_000),
      amount: PRICE,
      createdAt: nowMs,
      updatedAt: nowMs,
      buyerId: options.buyer ?? "buyer",
      itemId: 1,
      itemName: "Seat",
      paymentId: null,
      lookAt: 0,
      buyerAsked: false,
    });
    this.#shift({ free: -1, held: 1 });
    return rid;
  }

  /** The order as the server knows it; it has to be there. */
  order(rid: string): Order {
    return this.#get(rid);
  }

  async findOrder(rid: Rid): Promise<Order | null> {
    return this.#orders.get(rid) ?? null;
  }

  async findOrderOfPayment(paymentId: string): Promise<Order | null> {
    return [...this.#orders.values()].find((order) => order.paymentId === paymentId) ?? null;
  }

  async listOrdersOfBuyer(request: { buyerId: BuyerId; rowsMax: number }): Promise<readonly Order[]> {
    return [...this.#orders.values()].filter((order) => order.buyerId === request.buyerId).slice(0, request.rowsMax);
  }

  async listOrdersByRid(rids: readonly string[]): Promise<readonly Order[]> {
    return rids.flatMap((rid) => {
      const order = this.#orders.get(rid);
      return order === undefined ? [] : [{ ...order }];
    });
  }

  async listOrdersOfSale(): Promise<OrderPage> {
    return { orders: [...this.#orders.values()], next: null };
  }

  async attachPayment(request: { rid: Rid; paymentId: string }): Promise<boolean> {
    const order = this.#orders.get(request.rid);
    if (order?.status !== "held") return false;
    if (order.paymentId !== null) return order.paymentId === request.paymentId;
    order.paymentId = request.paymentId;
    return true;
  }

  async cancelHold(request: { rid: Rid; buyerId: BuyerId }): Promise<Order | null> {
    const order = this.#orders.get(request.rid);
    if (order === undefined || order.buyerId !== request.buyerId) return null;
    if (order.status === "held") {
      order.buyerAsked = true;
      this.#move(order, "cancel_requested");
      order.lookAt = 0;
      if (order.paymentId === null) await this.finishEnding([request.rid]);
    }
    return order;
  }

  async beginExpiry(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly EndingOrder[]> {
    const nowMs = this.#clock.nowMs();
    const passed = [...this.#orders.values()].filter((order) => order.status === "held" && order.holdUntil < nowMs);
    for (const order of passed.slice(0, request.rowsMax)) {
      this.#move(order, "hold_passed");
      order.lookAt = 0;
    }
    const due = [...this.#orders.values()].filter((order) => order.status === "expiring" && order.lookAt <= nowMs);
    return due.slice(0, request.rowsMax).map((order) => {
      order.lookAt = nowMs + request.retryAfterMs;
      return { rid: ridOf(order.rid), paymentId: order.paymentId, since: order.updatedAt };
    });
  }

  async finishEnding(rids: readonly Rid[]): Promise<number> {
    const ending = rids.map((rid) => this.#get(rid)).filter((order) => order.status === "expiring");
    for (const order of ending) {
      this.#move(order, order.buyerAsked ? "cancel_completed" : "provider_cancelled");
      this.#shift({ held: -1, free: 1 });
    }
    return ending.length;
  }

  async settlePayment(request: {
    provider: string;
    notificationId: string | null;
    paymentId: string;
    amount: Money;
  }): Promise<Settlement> {
    const order = [...this.#orders.values()].find((candidate) => candidate.paymentId === request.paymentId);
    if (order === undefined) return "unknown";
    if (request.notificationId !== null) {
      if (this.#notifications.has(request.notificationId)) return "duplicate";
      this.#notifications.add(request.notificationId);
    }
    const isHeld = order.status === "held" || order.status === "expiring";
    const event = this.#eventOf(order, isHeld, request.amount);
    const before = order.status;
    if (!this.#move(order, event)) return "unchanged";
    if (isHeld) this.#shift(event === "paid" ? { held: -1, sold: 1 } : { held: -1, free: 1 });
    else if (event === "paid") this.#shift({ free: -1, sold: 1 });
    assert(before !== order.status);
    return event === "paid" ? "paid" : "refund_due";
  }

  async takeRefundsDue(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly RefundDue[]> {
    const nowMs = this.#clock.nowMs();
    const due = [...this.#orders.values()].filter((order) => order.status === "refund_due" && order.lookAt <= nowMs);
    return due.slice(0, request.rowsMax).map((order) => {
      order.lookAt = nowMs + request.retryAfterMs;
      assert(order.paymentId !== null);
      return { rid: ridOf(order.rid), paymentId: order.paymentId, amount: order.amount };
    });
  }

  async completeRefund(rid: Rid): Promise<void> {
    this.#move(this.#get(rid), "refund_completed");
  }

  #eventOf(order: StoredOrder, isHeld: boolean, amount: Money): ReservationEvent {
    if (!isSameMoney(order.amount, amount)) return "paid_wrong_amount";
    return isHeld || this.free > 0 ? "paid" : "paid_without_stock";
  }

  #get(rid: string): StoredOrder {
    const order = this.#orders.get(rid);
    assert(order !== undefined, `no order ${rid}`);
    return order;
  }

  #move(order: StoredOrder, event: ReservationEvent): boolean {
    const status: ReservationStatus | null = nextStatus(order.status, event);
    if (status === null) return false;
    order.status = status;
    order.updatedAt = this.#clock.nowMs();
    if (status === "refund_due") order.lookAt = 0;
    return true;
  }

  #shift(units: { free?: number; held?: number; sold?: number }): void {
    this.free += units.free ?? 0;
    this.held += units.held ?? 0;
    this.sold += units.sold ?? 0;
    assert(this.free >= 0 && this.held >= 0 && this.sold >= 0, "a unit was taken that is not there");
    assert.equal(this.free + this.held + this.sold, this.#total, "units must be conserved");
  }
}

/** A name as a rid. */
export function ridOf(name: string): Rid {
  const rid = parseRid(name);
  assert(rid !== null, `${name} is no id`);
  return rid;
}

/** A name as a buyer id. */
export function buyerIdOf(name: string): BuyerId {
  const buyerId = parseBuyerId(name);
  assert(buyerId !== null, `${name} is no id`);
  return buyerId;
}
