/**
 * The order store restated: how reservations end and money arrives, one transaction a call, over the model's tables.
 *
 * What ends or returns while the sale has buckets leaves a note for them in the same step. Statuses move by the table of
 * domain/reservation.ts.
 */
import type { BuyerId, Rid, SaleId } from "../../../src/domain/ids.ts";
import { isSameMoney, type Money } from "../../../src/domain/money.ts";
import { nextStatus, type ReservationStatus } from "../../../src/domain/reservation.ts";
import type {
  EndingOrder,
  Order,
  OrderPage,
  OrderStore,
  RefundDue,
  Settlement,
} from "../../../src/ports/order-store.ts";
import type { OrderRow, Tables } from "./books-tables.ts";

/** See the head of this file. */
export class OrdersModel implements OrderStore {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async findOrder(rid: Rid): Promise<Order | null> {
    const row = this.#tables.data.orders.get(rid);
    return row === undefined ? null : this.#order(row);
  }

  async findOrderOfPayment(paymentId: string): Promise<Order | null> {
    const row = [...this.#tables.data.orders.values()].find((candidate) => candidate.paymentId === paymentId);
    return row === undefined ? null : this.#order(row);
  }

  async listOrdersOfBuyer(request: {
    buyerId: BuyerId;
    saleId: SaleId | null;
    rowsMax: number;
  }): Promise<readonly Order[]> {
    return [...this.#tables.data.orders.values()]
      .filter((row) => row.buyerId === request.buyerId && (request.saleId === null || row.saleId === request.saleId))
      .sort((left, right) => right.createdAt - left.createdAt)
      .slice(0, request.rowsMax)
      .map((row) => this.#order(row));
  }

  async listOrdersByRid(rids: readonly string[]): Promise<readonly Order[]> {
    return rids.flatMap((rid) => {
      const row = this.#tables.data.orders.get(rid);
      return row === undefined ? [] : [this.#order(row)];
    });
  }

  /** The whole sale is one page. */
  async listOrdersOfSale(request: { saleId: SaleId; status: ReservationStatus | null }): Promise<OrderPage> {
    const orders = [...this.#tables.data.orders.values()]
      .filter((row) => row.saleId === request.saleId && (request.status === null || row.status === request.status))
      .map((row) => this.#order(row));
    return { orders, next: null };
  }

  async attachPayment(request: { rid: Rid; paymentId: string }): Promise<boolean> {
    const row = this.#tables.data.orders.get(request.rid);
    if (row?.status !== "held") return false;
    if (row.paymentId !== null) return row.paymentId === request.paymentId;
    this.#put(row, { paymentId: request.paymentId });
    return true;
  }

  async cancelHold(request: { rid: Rid; buyerId: BuyerId }): Promise<Order | null> {
    const row = this.#tables.data.orders.get(request.rid);
    if (row === undefined || row.buyerId !== request.buyerId) return null;
    if (row.status === "held") {
      const expiring = this.#put(row, { status: "expiring", reason: "cancelled_by_buyer", lookAt: 0 });
      if (row.paymentId === null) this.#end([expiring]);
    }
    return this.findOrder(request.rid);
  }

  async beginExpiry(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly EndingOrder[]> {
    const nowMs = this.#tables.nowMs();
    const { orders } = this.#tables.data;
    const passed = [...orders.values()].filter((row) => row.status === "held" && row.holdUntil < nowMs);
    for (const row of passed.slice(0, request.rowsMax)) {
      this.#put(row, { status: "expiring", reason: "hold_passed", lookAt: 0 });
    }
    const due = [...orders.values()].filter((row) => row.status === "expiring" && row.lookAt <= nowMs);
    return due.slice(0, request.rowsMax).map((row) => {
      orders.set(row.rid, { ...row, lookAt: nowMs + request.retryAfterMs });
      return { rid: row.rid as Rid, paymentId: row.paymentId, since: row.updatedAt };
    });
  }

  async finishEnding(rids: readonly Rid[]): Promise<number> {
    const rows = [...new Set(rids)].sort().flatMap((rid) => {
      const row = this.#tables.data.orders.get(rid);
      return row?.status === "expiring" ? [row] : [];
    });
    this.#end(rows);
    return rows.length;
  }

  async settlePayment(request: {
    provider: string;
    notificationId: string | null;
    paymentId: string;
    amount: Money;
  }): Promise<Settlement> {
    const { data } = this.#tables;
    const row = [...data.orders.values()].find((candidate) => candidate.paymentId === request.paymentId);
    if (row === undefined) return "unknown";
    const notification = `${request.provider}.${request.notificationId}`;
    if (request.notificationId !== null) {
      if (data.notifications.has(notification)) return "duplicate";
      data.notifications.add(notification);
    }
    const isRightAmount = isSameMoney(this.#amount(row), request.amount);
    const isHeld = row.status === "held" || row.status === "expiring";
    const event = isRightAmount ? this.#fateOfMoney(row, isHeld) : "paid_wrong_amount";
    const next = nextStatus(row.status, event);
    if (next === null) return "unchanged";
    if (isHeld && next === "paid") this.#tables.shift(row.itemId, { held: -row.quantity, sold: row.quantity });
    else if (isHeld) this.#release([row]);
    else if (next === "paid") this.#reacquire(row);
    this.#put(row, { status: next, lookAt: 0, reason: next === "paid" ? null : event });
    return next === "paid" ? "paid" : "refund_due";
  }

  async takeRefundsDue(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly RefundDue[]> {
    const nowMs = this.#tables.nowMs();
    const { orders } = this.#tables.data;
    const due = [...orders.values()].filter((row) => row.status === "refund_due" && row.lookAt <= nowMs);
    return due.slice(0, request.rowsMax).map((row) => {
      orders.set(row.rid, { ...row, lookAt: nowMs + request.retryAfterMs });
      return { rid: row.rid as Rid, paymentId: row.paymentId ?? "", amount: this.#amount(row) };
    });
  }

  async completeRefund(rid: Rid): Promise<void> {
    const row = this.#tables.data.orders.get(rid);
    if (row?.status === "refund_due") this.#put(row, { status: "refunded" });
  }

  /** Late money takes units from free again if there are enough and the buyer may have them. */
  #fateOfMoney(row: OrderRow, isHeld: boolean): "paid" | "paid_without_stock" {
    if (isHeld) return "paid";
    const has = this.#tables.heldUnits(row.itemId, row.buyerId);
    const mayHave = has + row.quantity <= this.#tables.perBuyerMax(row.itemId);
    return mayHave && this.#tables.stockRow(row.itemId).free >= row.quantity ? "paid" : "paid_without_stock";
  }

  #reacquire(row: OrderRow): void {
    this.#tables.shift(row.itemId, { free: -row.quantity, sold: row.quantity });
    this.#tables.addHold(row.itemId, row.buyerId, row.quantity);
    this.#tables.note("reacquired", row);
  }

  #end(rows: readonly OrderRow[]): void {
    this.#release(rows);
    for (const row of rows) {
      this.#put(row, { status: row.reason === "cancelled_by_buyer" ? "cancelled" : "expired" });
    }
  }

  /** What ends together comes back together: one step of an item's version. */
  #release(rows: readonly OrderRow[]): void {
    for (const itemId of new Set(rows.map((row) => row.itemId))) {
      const units = rows.reduce((sum, row) => sum + (row.itemId === itemId ? row.quantity : 0), 0);
      this.#tables.shift(itemId, { held: -units, free: units });
    }
    for (const row of rows) {
      this.#tables.addHold(row.itemId, row.buyerId, -row.quantity);
      this.#tables.note("ended", row);
    }
  }

  #put(row: OrderRow, change: Partial<OrderRow>): OrderRow {
    const next = { ...row, ...change, updatedAt: this.#tables.nowMs() };
    this.#tables.data.orders.set(row.rid, next);
    return next;
  }

  #item(row: OrderRow) {
    return this.#tables.saleRow(row.saleId).sale.items.find((item) => item.itemId === row.itemId);
  }

  #amount(row: OrderRow): Money {
    const price = this.#item(row)?.price ?? { amount: 0, currency: "EUR" };
    return { amount: price.amount * row.quantity, currency: price.currency };
  }

  #order(row: OrderRow): Order {
    const { rid, saleId, quantity, status, holdUntil, createdAt, updatedAt, buyerId, itemId, paymentId } = row;
    const item = this.#item(row);
    return {
      ...{ rid, saleId, quantity, status, holdUntil, createdAt, updatedAt, buyerId, itemId, paymentId },
      ...(row.reason === null ? {} : { reason: row.reason }),
      sku: item?.sku ?? "",
      itemName: item?.name ?? "",
      amount: this.#amount(row),
    };
  }
}
