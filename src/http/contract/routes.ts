/**
 * The buyer API as a table: every path, method, who may call it, and what it takes and answers.
 *
 * openapi.json, the 405 answers, the registration of handlers and the route × role tests all read this one table, so a
 * route that is not here cannot be served and a route without a handler fails at start. The hot path is in the table
 * for the document only: the listener hands it to the funnel before any of this is asked.
 */
import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import { CHALLENGE_KINDS } from "../../ports/challenge.ts";
import {
  AcceptanceSchema,
  ChallengeOfferSchema,
  CheckoutSchema,
  ClearanceRequestSchema,
  ClearanceSchema,
  EmptyBodySchema,
  EventTicketSchema,
  HealthSchema,
  IdSchema,
  PassRequestSchema,
  PassSchema,
  ProblemSchema,
  PublicSaleListSchema,
  PublicSaleSchema,
  ReservationListSchema,
  ReservationSchema,
  ReserveRequestSchema,
  SessionRequestSchema,
  SessionSchema,
  TimeSchema,
} from "./schemas.ts";

/** Who may call a route. */
export type RouteAuth =
  /** Anybody. */
  | "none"
  /** A session token in `Authorization`; a signature that is sent is checked. */
  | "session"
  /** A session token, or a one-minute ticket in the query. */
  | "session-or-ticket"
  /** The payment provider, by its signature over the raw body. */
  | "provider";

/** Where a request of the route is answered. */
export type RouteServer = "app" | "funnel";

/** One row of the table. `path` in OpenAPI form. */
export interface BuyerRoute {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly auth: RouteAuth;
  readonly server: RouteServer;
  readonly config: RouteConfig;
}

const problem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: ProblemSchema } },
});
const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { "application/json": { schema } },
});
const body = <Schema extends z.ZodType>(schema: Schema, required = true) => ({
  body: { required, content: { "application/json": { schema } } },
});

const MALFORMED = { 400: problem("`malformed`: not what the schema says.") };
const TOO_LARGE = { 413: problem("`payload_too_large`: the body is over its bound.") };
const NO_SESSION = {
  401: problem("`session_missing`, `session_invalid`, `session_expired` or a `signature_…` reason."),
};
const THROTTLED = { 429: problem("`throttled`; carries `retryAfterMs`.") };
const UNAVAILABLE = { 503: problem("`unavailable`: the store gave no answer; ask again.") };
const NO_SUCH_SALE = { 404: problem("`no_such_sale`.") };
const NOT_FOUND = { 404: problem("`not_found`: there is none, or it is not yours; the two are not told apart.") };

const SESSION = [{ session: [] }];
const SALE_PARAMS = z.object({ saleId: IdSchema });
const RID_PARAMS = z.object({ rid: IdSchema });

const SIGNATURE_HEADERS = z.object({
  "idempotency-key": z.string().regex(/^[\x21-\x7e]{8,64}$/),
  "content-digest": z.string().optional().openapi({ description: "RFC 9530: `sha-256=:<base64>:`." }),
  "x-timestamp": z.string().optional().openapi({ description: "Milliseconds since the epoch." }),
  "x-pass": z.string().optional().openapi({ description: "In the place of Authorization and the signature." }),
  "x-nonce": z.string().min(16).max(64).optional(),
  "x-signature": z
    .string()
    .optional()
    .openapi({
      description:
        "base64url(HMAC-SHA256(base64url-decode(signingKey), canonical)), where canonical is seven lines joined by a line feed: " +
        "`v1`, METHOD, path-and-query, X-Timestamp, X-Nonce, Idempotency-Key, Content-Digest (absent ones are empty lines). " +
        "These four headers are required unless the sale's `signature` is `optional`; a signature that is sent is always checked.",
    }),
});

const REPLAYED_HEADER = z.object({
  "idempotent-replayed": z.literal("true").optional().openapi({ description: "The key was accepted before." }),
});

function route(
  auth: RouteAuth,
  config: Omit<RouteConfig, "method"> & { method: BuyerRoute["method"] },
  server: RouteServer = "app",
): BuyerRoute {
  const security = auth === "session" || auth === "session-or-ticket" ? { security: SESSION } : {};
  return { method: config.method, path: config.path, auth, server, config: createRoute({ ...security, ...config }) };
}

/** Every row of the buyer API, by the name its handler goes by. */
export const BUYER_ROUTES = {
  readTime: route("none", {
    method: "get",
    path: "/v1/time",
    summary: "The server's clock",
    responses: { 200: json("Never cached.", TimeSchema) },
  }),
  listSales: route("none", {
    method: "get",
    path: "/v1/sales",
    summary: "What is on: sales that are not long over",
    responses: { 200: json("At most 100, by opening time.", PublicSaleListSchema), ...UNAVAILABLE },
  }),
  readSale: route("none", {
    method: "get",
    path: "/v1/sales/{saleId}",
    summary: "The public document of a sale",
    request: { params: SALE_PARAMS },
    responses: {
      200: json("With an ETag; may be cached for one second.", PublicSaleSchema),
      304: { description: "Unchanged but for `serverNow`." },
      ...NO_SUCH_SALE,
      ...UNAVAILABLE,
    },
  }),
  createSession: route("none", {
    method: "post",
    path: "/v1/sessions",
    summary: "Starts a session, as a guest or with the shop's own login",
    description: [
      "The shop's JWT needs `iss`, `sub` and `exp`; `level` (a whole number) and `account_created_at` (a NumericDate) are",
      "read where a sale asks for them. The same `iss` and `sub` are always the same buyer.",
    ].join(" "),
    request: body(SessionRequestSchema),
    responses: {
      201: json("The signing key is handed out here and never again.", SessionSchema),
      ...MALFORMED,
      401: problem("`session_invalid` or `session_expired`: the shop's token is not good."),
      403: problem("`not_eligible` with `rule`: `login_required` where guests are switched off; or `banned`."),
      ...TOO_LARGE,
      ...THROTTLED,
      ...UNAVAILABLE,
    },
  }),
  reserve: route(
    "session",
    {
      method: "post",
      path: "/v1/sales/{saleId}/items/{sku}/reservations",
      summary: "The hot path: one attempt to reserve units",
      description: "Idempotent by `Idempotency-Key`: the same key and parameters always give the same `rid`.",
      request: {
        params: z.object({ saleId: IdSchema, sku: IdSchema }),
        headers: SIGNATURE_HEADERS,
        ...body(ReserveRequestSchema),
      },
      responses: {
        201: { ...json("The reservation is in the database.", AcceptanceSchema), headers: REPLAYED_HEADER },
        202: { ...json("The ledger has it durably; the order follows.", AcceptanceSchema), headers: REPLAYED_HEADER },
        400: problem("`malformed` or `bad_quantity`."),
        ...NO_SESSION,
        403: problem("`banned`, `not_eligible`, `pass_required` or `challenge_failed`."),
        404: problem("`no_such_sale` or `no_such_item`."),
        409: problem("`sold_out`, `empty`, `limit_reached` or `ended`."),
        410: problem("`closed`."),
        ...TOO_LARGE,
        422: problem("`key_reused`."),
        425: problem("`not_open`; carries `opensAt` and `serverNow`."),
        428: problem("`challenge_required`; carries `challenge`."),
        ...THROTTLED,
        500: problem("`internal`; carries `requestId`."),
        503: problem("`busy`, `draining`, `paused` or `unavailable`."),
      },
    },
    "funnel",
  ),
  createPass: route("session", {
    method: "post",
    path: "/v1/sales/{saleId}/passes",
    summary: "Prepares one attempt: identity, eligibility and challenge are checked now, and the pass says so at T0",
    description: [
      "The pass is good for this item, quantity and key, once. It goes into `X-Pass` of the attempt, which then needs neither",
      "`Authorization` nor a signature. Ask for it before the sale opens; the same request may be repeated.",
      "Signed as the sale's `signature` demands of an attempt. Sales with `adaptive` challenges always ask for one here.",
    ].join(" "),
    request: { params: SALE_PARAMS, ...body(PassRequestSchema) },
    responses: {
      201: json("Keep it until `opensAt`.", PassSchema),
      400: problem("`malformed` or `bad_quantity`."),
      ...NO_SESSION,
      403: problem("`banned`, `not_eligible` or `challenge_failed`."),
      404: problem("`no_such_sale` or `no_such_item`."),
      410: problem("`closed`."),
      ...TOO_LARGE,
      428: problem("`challenge_required`; carries `challenge`."),
      ...THROTTLED,
      503: problem("`busy`: too many solutions at once; ask again."),
    },
  }),
  listReservations: route("session", {
    method: "get",
    path: "/v1/reservations",
    summary: "The buyer's own reservations, newest first",
    request: { query: z.object({ saleId: IdSchema.optional() }) },
    responses: { 200: json("At most 100.", ReservationListSchema), ...MALFORMED, ...NO_SESSION, ...UNAVAILABLE },
  }),
  readReservation: route("session", {
    method: "get",
    path: "/v1/reservations/{rid}",
    summary: "One reservation, for its owner",
    request: { params: RID_PARAMS },
    responses: { 200: json("The reservation.", ReservationSchema), ...NO_SESSION, ...NOT_FOUND, ...UNAVAILABLE },
  }),
  cancelReservation: route("session", {
    method: "delete",
    path: "/v1/reservations/{rid}",
    summary: "Gives a hold back; idempotent",
    request: { params: RID_PARAMS },
    responses: {
      200: json("The reservation afterwards; `expiring` while its payment is being cancelled.", ReservationSchema),
      ...NO_SESSION,
      ...NOT_FOUND,
      ...UNAVAILABLE,
    },
  }),
  checkout: route("session", {
    method: "post",
    path: "/v1/reservations/{rid}/checkout",
    summary: "Opens the payment of a hold; the same hold always gets the same payment",
    request: { params: RID_PARAMS, ...body(EmptyBodySchema, false) },
    responses: {
      201: json("Send the buyer to `checkoutUrl`.", CheckoutSchema),
      ...MALFORMED,
      ...NO_SESSION,
      ...NOT_FOUND,
      409: problem("`ended`: the reservation is not waiting for a payment."),
      ...UNAVAILABLE,
    },
  }),
  receivePaymentNotification: route("provider", {
    method: "post",
    path: "/v1/webhooks/payments/{provider}",
    summary: "A payment provider's notification, signed over the raw body",
    request: {
      params: z.object({ provider: z.string().regex(/^[a-z]{1,16}$/) }),
      body: { required: true, content: { "application/json": { schema: z.unknown() } } },
    },
    responses: {
      204: { description: "Taken; send it no more." },
      401: problem("`signature_invalid`."),
      404: problem("`not_found`: no such provider here."),
      ...TOO_LARGE,
      ...UNAVAILABLE,
    },
  }),
  streamEvents: route("session-or-ticket", {
    method: "get",
    path: "/v1/events",
    summary: "The buyer's own reservations as server-sent events",
    description: "`event: reservation`; `id:` continues with `Last-Event-ID`; a comment as heartbeat each 15 s.",
    request: {
      query: z.object({ ticket: z.string().optional() }),
      headers: z.object({ "last-event-id": z.string().optional() }),
    },
    responses: {
      200: { description: "The stream.", content: { "text/event-stream": { schema: z.string() } } },
      ...MALFORMED,
      ...NO_SESSION,
      503: problem("`busy`: this buyer or this node has too many streams open."),
    },
  }),
  createEventTicket: route("session", {
    method: "post",
    path: "/v1/events/tickets",
    summary: "A one-minute ticket that opens the event stream without a header",
    request: body(EmptyBodySchema, false),
    responses: { 201: json("For `GET /v1/events?ticket=`.", EventTicketSchema), ...MALFORMED, ...NO_SESSION },
  }),
  createChallenge: route("session", {
    method: "get",
    path: "/v1/challenges/new",
    summary: "A challenge to solve ahead of time",
    request: { query: z.object({ saleId: IdSchema, kind: z.enum(CHALLENGE_KINDS).optional() }) },
    responses: {
      200: json("`none`: the sale never asks for a challenge.", ChallengeOfferSchema),
      ...MALFORMED,
      ...NO_SESSION,
      ...NO_SUCH_SALE,
      ...THROTTLED,
    },
  }),
  solveChallenge: route("session", {
    method: "post",
    path: "/v1/challenges",
    summary: "Turns a solution into a clearance for the attempts of this session",
    request: body(ClearanceRequestSchema),
    responses: {
      201: json("Send it as `X-Clearance`.", ClearanceSchema),
      403: problem("`challenge_failed`; carries `cause` and a fresh `challenge`."),
      503: problem("`busy`: too many solutions at once; ask again."),
      ...MALFORMED,
      ...NO_SESSION,
      ...NO_SUCH_SALE,
      ...THROTTLED,
    },
  }),
  readContract: route("none", {
    method: "get",
    path: "/v1/openapi.json",
    summary: "This document",
    responses: { 200: json("OpenAPI 3.1.", z.looseObject({ openapi: z.string() })) },
  }),
  readHealth: route("none", {
    method: "get",
    path: "/healthz",
    summary: "The process is alive",
    responses: { 200: json("Alive.", HealthSchema) },
  }),
  readReadiness: route("none", {
    method: "get",
    path: "/readyz",
    summary: "The node is warm and takes work",
    responses: { 200: json("Ready.", HealthSchema), 503: problem("`draining` or `busy`: not now.") },
  }),
} as const satisfies Record<string, BuyerRoute>;

/** Paths of the buyer's page and its files; they are plain files and no part of openapi.json. */
export const BUYER_PAGE_PATHS = ["/", "/sales/{saleId}", "/assets/{name}"] as const;

/** A path and method with who may call it, for tests that go through all of them. */
export interface RouteAccess {
  readonly method: string;
  readonly path: string;
  readonly auth: RouteAuth;
}

/** Everything that is reachable on PORT, the hot path and the pages included. */
export const BUYER_ROUTE_TABLE: readonly RouteAccess[] = [
  ...Object.values<BuyerRoute>(BUYER_ROUTES).map(({ method, path, auth }) => ({
    method: method.toUpperCase(),
    path,
    auth,
  })),
  ...BUYER_PAGE_PATHS.map((path) => ({ method: "GET", path, auth: "none" as const })),
];

/** The path as hono matches it: `{rid}` becomes `:rid`. */
export function routingPath(path: string): string {
  return path.replace(/\{([a-zA-Z]+)\}/g, ":$1");
}

/** The name of a route: the key of its handler. */
export type BuyerRouteName = keyof typeof BUYER_ROUTES;
