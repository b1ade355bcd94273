/**
 * A buyer's own reservations: reading them, giving a hold back, going to pay.
 *
 * What is not the asker's does not exist: `not_found`, in the same words, for a stranger's reservation and for none at all.
 * What is accepted and has no order yet is shown as queued; it can neither be given back nor paid before it is held.
 * All calls are idempotent, so a repeated request gets its answer again. Nothing here moves units except through the
 * order store, which decides by itself whether a hold may still end.
 */
import { type BuyerId, parseRid, parseSaleId, type Rid, type SaleId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { Reservation } from "../../domain/reservation.ts";
import { toQueuedReservation, toReservation } from "../../orders/reservation-view.ts";
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
/** A commit usually takes milliseconds; who wants to pay before it asks again soon. */
const QUEUED_RETRY_AFTER_MS = 500;

/** Handlers of everything under /v1/reservations. */
export function createReservationHandlers(
  dependencies: BuyerAppDependencies,
): Record<"listReservations" | "readReservation" | "cancelReservation" | "checkout", BuyerHandler> {
  const { orders, checkout, settings, ledger, catalogue } = dependencies;

  async function findOwnOrder(rid: Rid | null, buyerId: BuyerId): Promise<Order | null> {
    const order = rid === null ? null : await orders.findOrder(rid);
    return order !== null && order.buyerId === buyerId ? order : null;
  }

  async function findOwnQueued(rid: Rid | null, buyerId: BuyerId): Promise<Reservation | null> {
    const queued = rid === null ? null : await ledger.findQueued({ rid, buyerId });
    return queued === null ? null : toQueuedReservation(queued, catalogue.findSale(queued.saleId));
  }

  /** The order's view; of what is lost or unknown to Postgres, the queued one if there is one. */
  async function view(order: Order | null, rid: Rid | null, buyerId: BuyerId): Promise<Reservation | null> {
    if (order !== null && order.status !== "lost") return toReservation(order);
    return (await findOwnQueued(rid, buyerId)) ?? (order === null ? null : toReservation(order));
  }

  function answerView(reservation: Reservation | null): Response {
    return reservation === null ? problemResponse("not_found") : Response.json(reservation);
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
      const { buyerId } = session;
      const rid = parseRid(context.req.param("rid"));
      return answerView(await view(await findOwnOrder(rid, buyerId), rid, buyerId));
    },

    async cancelReservation(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const { buyerId } = session;
      const rid = parseRid(context.req.param("rid"));
      const order = rid === null ? null : await orders.cancelHold({ rid, buyerId });
      return answerView(await view(order, rid, buyerId));
    },

    async checkout(context) {
      const session = requireSession(context, dependencies);
      if (session instanceof Response) return session;
      const body = await readBody(context, dependencies, { schema: EmptyBodySchema, whenEmpty: {} });
      if (body instanceof Response) return body;
      const rid = parseRid(context.req.param("rid"));
      const order = await findOwnOrder(rid, session.buyerId);
      if (order === null) {
        const isQueued = (await findOwnQueued(rid, session.buyerId)) !== null;
        return isQueued ? refuse(NOT_HELD_YET) : problemResponse("not_found");
      }
      const outcome = await checkout.checkout(order, returnUrlOf(settings.publicUrl(), order));
      if (outcome.kind === "refused") return refuse(outcome.refusal);
      const { checkoutUrl, paymentId } = outcome;
      return Response.json({ checkoutUrl, paymentId }, { status: 201 });
    },
  };
}

const NOT_HELD_YET: Refusal = {
  reason: "unavailable",
  retryAfterMs: QUEUED_RETRY_AFTER_MS,
  extra: { detail: "The reservation is queued; it can be paid as soon as it is held." },
};

/** Where the provider sends the buyer back to: the page that shows the reservation. Follows from the order alone. */
function returnUrlOf(publicUrl: string, order: Order): string {
  return `${publicUrl.replace(/\/+$/, "")}/sales/${order.saleId}?rid=${order.rid}`;
}

function saleIdInQuery(context: BuyerContext): SaleId | null | "bad" {
  const values = context.req.queries("saleId") ?? [];
  if (values.length === 0) return null;
  return values.length === 1 ? (parseSaleId(values[0]) ?? "bad") : "bad";
}
