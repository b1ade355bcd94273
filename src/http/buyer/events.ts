/**
 * The event stream of a buyer's own reservations, and the tickets that open it from a page.
 *
 * The subject of the stream is the session's or the ticket's buyer, never anything in the URL. What is sent, replayed and
 * dropped is the push hub's work.
 */
import type { BuyerId } from "../../domain/ids.ts";
import { EmptyBodySchema } from "../contract/schemas.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import { mintEventTicket, verifyEventTicket } from "./event-ticket.ts";
import {
  type BuyerContext,
  type BuyerHandler,
  readBody,
  refuse,
  refuseMalformed,
  requireSession,
  requireSessionOnce,
  throttledRequest,
} from "./request-context.ts";

const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would otherwise hold events back until its buffer is full.
  "x-accel-buffering": "no",
};

/** Handlers of everything under /v1/events. */
export function createEventHandlers(
  dependencies: BuyerAppDependencies,
): Record<"streamEvents" | "createEventTicket", BuyerHandler> {
  const { events, keys, clock, random } = dependencies;

  function listenerOf(context: BuyerContext): { readonly buyerId: BuyerId } | Response {
    const tickets = context.req.queries("ticket") ?? [];
    const [ticket] = tickets;
    if (ticket === undefined) return requireSession(context, dependencies);
    if (tickets.length > 1) return refuseMalformed("ticket may be given once.");
    const listener = verifyEventTicket(keys.eventTicket, ticket, clock.nowMs());
    return typeof listener === "string" ? refuse({ reason: listener }) : listener;
  }

  return {
    streamEvents(context) {
      const listener = listenerOf(context);
      if (listener instanceof Response) return listener;
      // Nobody would ever read, and so never end, the stream of a HEAD request.
      if (context.req.method === "HEAD") return new Response(null, { headers: STREAM_HEADERS });
      const lastEventId = context.req.raw.headers.get("last-event-id");
      const address = dependencies.clientAddress(throttledRequest(context));
      const outcome = events.open({ buyerId: listener.buyerId, address, lastEventId });
      if (outcome.kind === "refused") return refuse(outcome.refusal);
      return new Response(outcome.stream, { headers: STREAM_HEADERS });
    },

    async createEventTicket(context) {
      const session = await requireSessionOnce(context, dependencies);
      if (session instanceof Response) return session;
      const body = await readBody(context, dependencies, { schema: EmptyBodySchema, whenEmpty: {} });
      if (body instanceof Response) return body;
      const facts = { buyerId: session.buyerId, nonce: random.id(), nowMs: clock.nowMs() };
      return Response.json(mintEventTicket(keys.eventTicket, facts), { status: 201 });
    },
  };
}
