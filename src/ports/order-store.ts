/**
 * Port: orders after a reservation was won: reading them, ending them, and moving their units with money.
 *
 * Promises: each move is one transaction, idempotent, in the lock order orders → buyer_hold → stock, and writes its
 * outbox row in the same commit. Nothing is released before the provider said "cancelled" (or no payment exists).
 * Unknown outcomes change nothing. See docs/spec/ledger.md, "Payment timeout versus late payment".
 *
 * Does not talk to payment providers; orders/ does, between `beginExpiry` and `finishEnding`.
 */
import type { BuyerId, Rid, SaleId } from "../domain/ids.ts";
import type { Money } from "../domain/money.ts";
import type { Reservation, ReservationStatus } from "../domain/reservation.ts";

/** An order as the server knows it; `toReservation` of orders/ makes the owner's view of it. */
export interface Order extends Reservation {
  readonly buyerId: string;
  readonly itemId: number;
  readonly itemName: string;
  readonly paymentId: string | null;
}

/** What became of money that arrived. "unknown" = no order has this payment. */
export type Settlement = "paid" | "refund_due" | "unchanged" | "duplicate" | "unknown";

/** An order whose hold is ending and whose payment, if any, must be cancelled first. */
export interface EndingOrder {
  readonly rid: Rid;
  readonly paymentId: string | null;
  /** When it entered `expiring`, milliseconds since the epoch. */
  readonly since: number;
}

export interface RefundDue {
  readonly rid: Rid;
  readonly paymentId: string;
  readonly amount: Money;
}

export interface OrderPage {
  readonly orders: readonly Order[];
  /** Opaque; null on the last page. */
  readonly next: string | null;
}

export interface OrderStore {
  findOrder(rid: Rid): Promise<Order | null>;
  findOrderOfPayment(paymentId: string): Promise<Order | null>;
  /** The buyer's own, newest first, of one sale or of all. */
  listOrdersOfBuyer(request: { buyerId: BuyerId; saleId: SaleId | null; rowsMax: number }): Promise<readonly Order[]>;
  /** Orders of the buyer that changed in or after the transaction of the cursor; see ports/event-log.ts. */
  listOrdersByRid(rids: readonly string[]): Promise<readonly Order[]>;
  /** All orders of a sale in a stable order. `cursor` null = from the start. */
  listOrdersOfSale(request: {
    saleId: SaleId;
    status: ReservationStatus | null;
    cursor: string | null;
    rowsMax: number;
  }): Promise<OrderPage>;

  /** Remembers the payment of a held order. False when the order is not held any more (then cancel the payment). */
  attachPayment(request: { rid: Rid; paymentId: string }): Promise<boolean>;

  /**
   * The buyer gives a hold back. Without a payment it is cancelled and released at once; with one it becomes
   * `expiring` and the sweeper finishes it. Anything else stays as it is. Answers the order afterwards; null = not his.
   */
  cancelHold(request: { rid: Rid; buyerId: BuyerId }): Promise<Order | null>;

  /**
   * Moves holds whose time has passed to `expiring` and answers up to `rowsMax` orders that are `expiring` and due for a
   * (repeated) look, at most once per `retryAfterMs` each, so that two sweepers share the work.
   */
  beginExpiry(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly EndingOrder[]>;
  /** After the provider cancelled: `expiring` → `expired` or `cancelled`, units back to free. Others are skipped. */
  finishEnding(rids: readonly Rid[]): Promise<number>;

  /**
   * Money arrived for a payment. Records the notification's id in the same transaction (a known id answers "duplicate");
   * held/expiring → paid; ended → re-acquires units within stock and limit, else refund_due; a wrong amount →
   * refund_due. `notificationId` null = found by asking the provider.
   */
  settlePayment(request: {
    provider: string;
    notificationId: string | null;
    paymentId: string;
    amount: Money;
  }): Promise<Settlement>;

  /** Orders whose money must go back, at most once per `retryAfterMs` each. */
  takeRefundsDue(request: { rowsMax: number; retryAfterMs: number }): Promise<readonly RefundDue[]>;
  /** refund_due → refunded. Idempotent. */
  completeRefund(rid: Rid): Promise<void>;
}
