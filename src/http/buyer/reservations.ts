/**
 * A buyer's own reservations: reading them, giving a hold back, going to pay.
 *
 * What is not the asker's does not exist: `not_found`, in the same words, for a stranger's reservation and for none at all.
 * All calls are idempotent, so a repeated request gets its answer again. Nothing here moves units except through the
 * order store, which decides by itself whether a hold may still end.
 */
import { type BuyerId, parseRid, parseSaleId, type SaleId } from "../../domain/ids.ts";
import { toReservation } from "../../orders/reservation-view.ts";
import type { Order } from "../../ports/order-store.ts";
import { EmptyBodySchema } from "../contract/schemas.ts";
import { problemResponse } from "../problem.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import {
  type BuyerContext,
  type BuyerHandler,
  readBody,
  refuse,
  refuseMalformed,
  requireSession,
} from "./request-context.ts";

const RESERVATIONS_LISTED_MAX = 100;

/** Handlers of everything under /v1/reservations. */
export function createReservationHandlers(
  dependencies: BuyerAppDependencies,
): Record<"listReservations" | "readReservation" | "cancelReservation" | "checkout", BuyerHandler> {
  const { orders, checkout, settings } = dependencies;

  async function findOwnOrder(context: BuyerContext, buyerId: BuyerId): Promise<Order | null> {
    const rid = parseRid(context.req.param("rid"));
    const order = rid === null ? null : await orders.findOrder(rid);
    return order !== null && order.buyerId === buyerId ? order : null;
  }

  return {
    async listReservations(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const saleId = saleIdInQuery(context);
      if (saleId === "bad") return refuseMalformed("saleId may be given once, and must be an id.");
      const rowsMax = RESERVATIONS_LISTED_MAX;
      const own = await orders.listOrdersOfBuyer({ buyerId: session.buyerId, saleId, rowsMax });
      return Response.json({ reservations: own.map(toReservation) });
    },

    async readReservation(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const order = await findOwnOrder(context, session.buyerId);
      return order === null ? problemResponse("not_found") : Response.json(toReservation(order));
    },

    async cancelReservation(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const rid = parseRid(context.req.param("rid"));
      const order = rid === null ? null : await orders.cancelHold({ rid, buyerId: session.buyerId });
      return order === null ? problemResponse("not_found") : Response.json(toReservation(order));
    },

    async checkout(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const body = await readBody(context, dependencies, { schema: EmptyBodySchema, whenEmpty: {} });
      if (body instanceof Response) return body;
      const order = await findOwnOrder(context, session.buyerId);
      if (order === null) return problemResponse("not_found");
      const outcome = await checkout.checkout(order, returnUrlOf(settings.publicUrl(), order));
      if (outcome.kind === "refused") return refuse(outcome.refusal);
      const { checkoutUrl, paymentId } = outcome;
      return Response.json({ checkoutUrl, paymentId }, { status: 201 });
    },
  };
}

/** Where the provider sends the buyer back to: the page that shows the reservation. Follows from the order alone. */
function returnUrlOf(publicUrl: string, order: Order): string {
  return `${publicUrl.replace(/\/+$/, "")}/sales/${order.saleId}?rid=${order.rid}`;
}

function saleIdInQuery(context: BuyerContext): SaleId | null | "bad" {
  const values = context.req.queries("saleId") ?? [];
  if (values.length === 0) return null;
  return values.length === 1 ? (parseSaleId(values[0]) ?? "bad") : "bad";
}
