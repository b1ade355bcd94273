/**
 * The owner's view of an order: what GET /reservations, the event stream and the pages show.
 *
 * Members are copied one by one, so that a column added to Order can never leak by itself: payment ids, buyer ids and
 * internal item numbers stay on the server.
 */
import type { Reservation } from "../domain/reservation.ts";
import type { Sale } from "../domain/sale.ts";
import type { QueuedReservation } from "../ports/ledger.ts";
import type { Order } from "../ports/order-store.ts";

/** The part of an order that its owner may see. */
export function toReservation(order: Order): Reservation {
  const view = {
    rid: order.rid,
    saleId: order.saleId,
    sku: order.sku,
    quantity: order.quantity,
    status: order.status,
    holdUntil: order.holdUntil,
    amount: { amount: order.amount.amount, currency: order.amount.currency },
    createdAt: order.createdAt,
    updatedAt: order.updatedAt,
  };
  return order.reason === undefined ? view : { ...view, reason: order.reason };
}

/** The same of an acceptance that has no order yet; null when its sale does not have the item. */
export function toQueuedReservation(queued: QueuedReservation, sale: Sale | null): Reservation | null {
  const item = sale?.items.find(({ itemId }) => itemId === queued.itemId);
  if (item === undefined) return null;
  return {
    rid: queued.rid,
    saleId: queued.saleId,
    sku: item.sku,
    quantity: queued.quantity,
    status: "queued",
    holdUntil: queued.holdUntil,
    amount: { amount: item.price.amount * queued.quantity, currency: item.price.currency },
    createdAt: queued.acceptedAtMs,
    updatedAt: queued.acceptedAtMs,
  };
}
