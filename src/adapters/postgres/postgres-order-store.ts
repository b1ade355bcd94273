/**
 * Orders over the SQL functions of migrations/0004_endings.sql: each method is one statement, so one transaction.
 *
 * A conflict with another transaction was rolled back for certain and is repeated here; unknown outcomes are the
 * caller's to repeat, and every move is idempotent so that he may.
 */
import { Fault, isFault } from "../../domain/faults.ts";
import type { BuyerId, Rid, SaleId } from "../../domain/ids.ts";
import type { Money } from "../../domain/money.ts";
import type { ReservationStatus } from "../../domain/reservation.ts";
import type { Database, SqlValue, Statement } from "../../ports/database.ts";
import type { EndingOrder, Order, OrderPage, OrderStore, RefundDue, Settlement } from "../../ports/order-store.ts";

const CONFLICT_TRIES_MAX = 5;

const SELECT_ORDER = `SELECT o.rid, o.sale_id, i.sku, o.quantity, o.status, o.hold_until, o.reason, o.amount,
    i.price_currency, o.created_at, o.updated_at, o.buyer_id, o.item_id, i.name AS item_name, o.payment_id,
    o.epoch, o.bucket, o.seq
  FROM orders o JOIN item i ON i.item_id = o.item_id`;

const FIND = { name: "find_order", text: `${SELECT_ORDER} WHERE o.rid = $1` };
const OF_PAYMENT = { name: "order_of_payment", text: `${SELECT_ORDER} WHERE o.payment_id = $1` };
const BY_RIDS = { name: "orders_by_rid", text: `${SELECT_ORDER} WHERE o.rid = ANY ($1::text[])` };
const OF_BUYER = {
  name: "orders_of_buyer",
  text: `${SELECT_ORDER} WHERE o.buyer_id = $1 AND ($2::text IS NULL OR o.sale_id = $2)
         ORDER BY o.created_at DESC, o.rid LIMIT $3`,
};
const OF_SALE = {
  name: "orders_of_sale",
  text: `${SELECT_ORDER} WHERE i.sale_id = $1 AND ($2::text IS NULL OR o.status = $2)
           AND (o.item_id, o.epoch, o.bucket, o.seq) > ($3, $4, $5, $6)
         ORDER BY o.item_id, o.epoch, o.bucket, o.seq LIMIT $7`,
};
const ATTACH = {
  name: "attach_payment",
  text: `UPDATE orders SET payment_id = $2, updated_at = now_ms()
          WHERE rid = $1 AND status = 'held' AND (payment_id IS NULL OR payment_id = $2) RETURNING rid`,
};
const CANCEL = { name: "cancel_hold", text: "SELECT cancel_hold($1, $2)" };
const BEGIN_EXPIRY = { name: "begin_expiry", text: "SELECT * FROM begin_expiry($1, $2)" };
const FINISH = { name: "finish_endings", text: "SELECT finish_endings($1::text[]) AS finished" };
const SETTLE = { name: "settle_payment", text: "SELECT settle_payment($1, $2, $3, $4, $5) AS outcome" };
const REFUNDS_DUE = { name: "take_refunds_due", text: "SELECT * FROM take_refunds_due($1, $2)" };
const COMPLETE_REFUND = { name: "complete_refund", text: "SELECT complete_refund($1)" };

interface OrderRow {
  readonly rid: string;
  readonly sale_id: string;
  readonly sku: string;
  readonly quantity: number;
  readonly status: ReservationStatus;
  readonly hold_until: number;
  readonly reason: string | null;
  readonly amount: number;
  readonly price_currency: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly buyer_id: string;
  readonly item_id: number;
  readonly item_name: string;
  readonly payment_id: string | null;
  readonly epoch: number;
  readonly bucket: number;
  readonly seq: number;
}

/** `implements OrderStore`. */
export class PostgresOrderStore implements OrderStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async findOrder(rid: Rid): Promise<Order | null> {
    const [row] = await this.#database.query<OrderRow>(FIND, [rid]);
    return row === undefined ? null : toOrder(row);
  }

  async findOrderOfPayment(paymentId: string): Promise<Order | null> {
    const [row] = await this.#database.query<OrderRow>(OF_PAYMENT, [paymentId]);
    return row === undefined ? null : toOrder(row);
  }

  async listOrdersOfBuyer(request: {
    buyerId: BuyerId;
    saleId: SaleId | null;
    rowsMax: number;
  }): Promise<readonly Order[]> {
    const values = [request.buyerId, request.saleId, request.rowsMax];
    return (await this.#database.query<OrderRow>(OF_BUYER, values)).map(toOrder);
  }

  async listOrdersByRid(rids: readonly string[]): Promise<readonly Order[]> {
    return (await this.#database.query<OrderRow>(BY_RIDS, [rids])).map(toOrder);
  }

  async listOrdersOfSale(request: {
    saleId: SaleId;
    status: ReservationStatus | null;
    cursor: string | null;
    rowsMax: number;
  }): Promise<OrderPage> {
    const position = parseCursor(request.cursor);
    const rows = await this.#database.query<OrderRow>(OF_SALE, [
      request.saleId,
      request.status,
      ...position,
      request.rowsMax,
    ]);
    const last = rows.length < request.rowsMax ? undefined : rows.at(-1);
    return {
      orders: rows.map(toOrder),
      next: last === undefined ? null : `${last.item_id}.${last.epoch}.${last.bucket}.${last.seq}`,
    };
  }

  async attachPayment(request: { rid: Rid; paymentId: string }): Promise<boolean> {
    return (await this.#move(ATTACH, [request.rid, request.paymentId])).length === 1;
  }

  async cancelHold(request: { rid: Rid; buyerId: BuyerId }): Promise<Order | null> {
    await this.#move(CANCEL, [request.rid, request.buyerId]);
    const order = await this.findOrder(request.rid);
    return order?.buyerId === request.buyerId ? order : null;
  }

  async beginExpiry(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly EndingOrder[]> {
    const rows = await this.#move<{ rid: Rid; payment_id: string | null; since: number }>(BEGIN_EXPIRY, [
      request.rowsMax,
      request.retryAfterMs,
    ]);
    return rows.map((row) => ({ rid: row.rid, paymentId: row.payment_id, since: row.since }));
  }

  async finishEnding(rids: readonly Rid[]): Promise<number> {
    const [row] = await this.#move<{ finished: number }>(FINISH, [rids]);
    return row?.finished ?? 0;
  }

  async settlePayment(request: {
    provider: string;
    notificationId: string | null;
    paymentId: string;
    amount: Money;
  }): Promise<Settlement> {
    const [row] = await this.#move<{ outcome: Settlement }>(SETTLE, [
      request.provider,
      request.notificationId,
      request.paymentId,
      request.amount.amount,
      request.amount.currency,
    ]);
    if (row === undefined) throw new Fault("DATABASE_REFUSED", { internal: "settle_payment answered no row" });
    return row.outcome;
  }

  async takeRefundsDue(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly RefundDue[]> {
    const rows = await this.#move<{ rid: Rid; payment_id: string; amount: number; currency: string }>(REFUNDS_DUE, [
      request.rowsMax,
      request.retryAfterMs,
    ]);
    return rows.map((row) => ({
      rid: row.rid,
      paymentId: row.payment_id,
      amount: { amount: row.amount, currency: row.currency },
    }));
  }

  async completeRefund(rid: Rid): Promise<void> {
    await this.#move(COMPLETE_REFUND, [rid]);
  }

  /** Runs a move, again when it lost against another transaction. */
  async #move<Row>(statement: Statement, values: readonly SqlValue[]): Promise<readonly Row[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#database.query<Row>(statement, values);
      } catch (error) {
        if (!isFault(error, "DATABASE_CONFLICT") || tries >= CONFLICT_TRIES_MAX) throw error;
      }
    }
  }
}

function toOrder(row: OrderRow): Order {
  return {
    rid: row.rid,
    saleId: row.sale_id,
    sku: row.sku,
    quantity: row.quantity,
    status: row.status,
    holdUntil: row.hold_until,
    ...(row.reason === null ? {} : { reason: row.reason }),
    amount: { amount: row.amount, currency: row.price_currency },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    buyerId: row.buyer_id,
    itemId: row.item_id,
    itemName: row.item_name,
    paymentId: row.payment_id,
  };
}

/** A cursor we did not make reads from the start: it can only show the caller what he may see anyway. */
function parseCursor(cursor: string | null): readonly [number, number, number, number] {
  const match = /^(\d{1,9})\.(\d{1,15})\.(\d{1,9})\.(\d{1,15})$/.exec(cursor ?? "");
  return match === null ? [0, 0, 0, 0] : [Number(match[1]), Number(match[2]), Number(match[3]), Number(match[4])];
}
