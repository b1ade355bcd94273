/**
 * The owner's view of an order: what GET /reservations, the event stream and the pages show.
 *
 * Members are copied one by one, so that a column added to Order can never leak by itself: payment ids, buyer ids and
 * internal item numbers stay on the server.
 */
import type { Reservation } from "../domain/reservation.ts";
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
