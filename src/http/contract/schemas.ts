/**
 * What goes over the wire: one zod schema for each body and answer of the buyer API.
 *
 * Requests are parsed with these schemas and openapi.json is generated from them, so the two cannot differ; tests parse
 * every answer with them as well. All objects are strict: an unknown member of a body is refused. Which route
 * uses which schema is in routes.ts; what the funnel does with the hot body is the funnel's own business.
 */
import { z } from "@hono/zod-openapi";
import { PRICE_AMOUNT_MAX } from "../../domain/money.ts";
import { REFUSALS, type RefusalReason, STAGES } from "../../domain/refusals.ts";
import { RESERVATION_STATUSES } from "../../domain/reservation.ts";
import { CHALLENGE_KINDS, SOLUTION_LENGTH_MAX } from "../../ports/challenge.ts";
import { PageSignalsSchema } from "./signals.ts";

/** The longest token of a shop's login we look at; real ones are 1–2 KB. */
export const LOGIN_TOKEN_LENGTH_MAX = 8_192;
/** A token with the longest ids and the longest sealed answer has 420 characters. */
const CHALLENGE_TOKEN_LENGTH_MAX = 512;

const ID_REGEX = /^[A-Za-z0-9_-]{1,64}$/;

const instant = (description: string) =>
  z
    .number()
    .int()
    .nonnegative()
    .openapi({ description: `${description} Milliseconds since the epoch.` });

/** An id in a path, a query or an answer. */
export const IdSchema = z.string().regex(ID_REGEX).openapi({ example: "spring-drop" });

/** An amount in minor units with its currency. */
export const MoneySchema = z
  .strictObject({
    amount: z
      .number()
      .int()
      .nonnegative()
      .max(PRICE_AMOUNT_MAX * 1_000)
      .openapi({ description: "Minor units (cents)." }),
    currency: z.string().regex(/^[A-Z]{3}$/),
  })
  .openapi("Money", { example: { amount: 4900, currency: "EUR" } });

/** `GET /v1/time`. */
export const TimeSchema = z.strictObject({ now: instant("The server's clock.") }).openapi("Time");

const PublicItemSchema = z
  .strictObject({
    sku: IdSchema,
    name: z.string(),
    price: MoneySchema,
    perBuyerMax: z.number().int().positive(),
    availability: z
      .enum(["plenty", "some", "few", "none"])
      .openapi({ description: "How much is left, as a band; the exact count is never told." }),
  })
  .openapi("Item");

/** A sale as anybody may see it. */
export const PublicSaleSchema = z
  .strictObject({
    id: IdSchema,
    name: z.string(),
    description: z.string().optional(),
    imageUrl: z.string().optional(),
    state: z.enum(["scheduled", "open", "paused", "empty", "sold_out", "closed"]),
    opensAt: instant("When the sale opens by the server's clock."),
    closesAt: instant("When the sale closes by the server's clock."),
    tiers: z
      .array(z.strictObject({ name: z.string(), opensAt: instant("When the tier's buyers may buy.") }))
      .optional()
      .openapi({ description: "Buyers who may come before the others; which one is whose, only a pass tells." }),
    serverNow: instant("The server's clock when this answer was made."),
    unit: z.string().optional().openapi({ description: "The region whose stock is sold here." }),
    challenge: z.enum(["none", "adaptive", "always"]),
    signature: z.enum(["required", "optional"]),
    items: z.array(PublicItemSchema),
  })
  .openapi("Sale");

/** `GET /v1/sales`. */
export const PublicSaleListSchema = z.strictObject({ sales: z.array(PublicSaleSchema) }).openapi("SaleList");

/** Body of `POST /v1/sessions`. */
export const SessionRequestSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("guest"), signals: PageSignalsSchema.optional() }),
    z.strictObject({
      kind: z.literal("jwt"),
      token: z
        .string()
        .min(1)
        .max(LOGIN_TOKEN_LENGTH_MAX)
        .openapi({ description: "The token of the shop's own login." }),
      signals: PageSignalsSchema.optional(),
    }),
  ])
  .openapi("SessionRequest");

/** Answer of `POST /v1/sessions`: the only time the signing key is handed out. */
export const SessionSchema = z
  .strictObject({
    token: z.string().openapi({ description: "Send it as `Authorization: Bearer <token>`." }),
    signingKey: z.string().openapi({ description: "base64url; the HMAC-SHA256 key of X-Signature." }),
    buyerId: IdSchema,
    expiresAt: instant("When the session ends."),
  })
  .openapi("Session");

/** Body of the hot path, as documentation; the funnel parses it by hand. */
export const ReserveRequestSchema = z
  .strictObject({
    quantity: z.number().int().min(1),
    challenge: z
      .strictObject({ token: z.string(), solution: z.string() })
      .optional()
      .openapi({ description: "The solved challenge, if asked and not cleared ahead of time." }),
  })
  .openapi("ReserveRequest", { example: { quantity: 1 } });

/** Body of `POST /v1/sales/{saleId}/passes`. */
export const PassRequestSchema = z
  .strictObject({
    sku: IdSchema,
    quantity: z.number().int().min(1),
    idempotencyKey: z
      .string()
      .regex(/^[\x21-\x7e]{8,64}$/)
      .openapi({ description: "The key that the attempt will carry." }),
    challenge: z
      .strictObject({
        token: z.string().max(CHALLENGE_TOKEN_LENGTH_MAX),
        solution: z.string().max(SOLUTION_LENGTH_MAX),
      })
      .optional()
      .openapi({ description: "The solved challenge, if asked and not cleared ahead of time." }),
  })
  .openapi("PassRequest", { example: { sku: "seat", quantity: 1, idempotencyKey: "q0TzN8qSg2mPz4lq" } });

/** 201 of `POST /v1/sales/{saleId}/passes`. */
export const PassSchema = z
  .strictObject({
    pass: z.string().openapi({ description: "Send it as `X-Pass`, without Authorization and signature." }),
    expiresAt: instant("When the pass ends."),
    opensAt: instant("From when on this buyer may use it; earlier than the sale's own instant in a tier."),
  })
  .openapi("Pass");

/** 201 or 202 of the hot path. */
export const AcceptanceSchema = z
  .strictObject({
    rid: IdSchema,
    saleId: IdSchema,
    sku: IdSchema,
    quantity: z.number().int().min(1),
    status: z.enum(RESERVATION_STATUSES),
    holdUntil: instant("Until when the units wait for payment."),
    receipt: z.string().openapi({ description: "HMAC-signed statement of the acceptance." }),
    durability: z
      .literal("everysec")
      .optional()
      .openapi({ description: "Only in a 202 of a deployment whose power cut may lose the last second of them." }),
  })
  .openapi("Acceptance");

/** A reservation as its owner sees it. */
export const ReservationSchema = z
  .strictObject({
    rid: IdSchema,
    saleId: IdSchema,
    sku: IdSchema,
    quantity: z.number().int().min(1),
    status: z.enum(RESERVATION_STATUSES),
    holdUntil: instant("Until when the units wait for payment."),
    reason: z.string().optional(),
    amount: MoneySchema,
    createdAt: instant("When it was accepted."),
    updatedAt: instant("When its status changed last."),
  })
  .openapi("Reservation");

/** `GET /v1/reservations`. */
export const ReservationListSchema = z
  .strictObject({ reservations: z.array(ReservationSchema) })
  .openapi("ReservationList");

/** Body of calls that take none: nothing at all, or an empty object. */
export const EmptyBodySchema = z.strictObject({}).openapi("Empty");

/** `POST /v1/reservations/{rid}/checkout`. */
export const CheckoutSchema = z.strictObject({ checkoutUrl: z.string(), paymentId: z.string() }).openapi("Checkout");

/** `POST /v1/events/tickets`. */
export const EventTicketSchema = z
  .strictObject({ ticket: z.string(), expiresAt: instant("When the ticket stops opening streams.") })
  .openapi("EventTicket");

/** A challenge; further members are its kind's own: `puzzles` of a proof of work, an image of a puzzle. */
export const ChallengeSchema = z
  .looseObject({
    kind: z.enum(CHALLENGE_KINDS),
    token: z.string().openapi({ description: "Goes back with the solution; good for one, in this session." }),
    expiresAt: instant("When it cannot be solved any more."),
    alternatives: z.array(z.enum(CHALLENGE_KINDS)).openapi({ description: "Kinds to ask for in its place." }),
    preferred: z
      .enum(CHALLENGE_KINDS)
      .optional()
      .openapi({ description: "The kind to ask for if a person is there to solve it." }),
    difficulty: z.number().int().positive(),
  })
  .openapi("Challenge");

/** `GET /v1/challenges/new`: "none" says that this sale never asks for a challenge. */
export const ChallengeOfferSchema = z
  .strictObject({ saleId: IdSchema, challenge: z.union([z.literal("none"), ChallengeSchema]) })
  .openapi("ChallengeOffer");

/** Body of `POST /v1/challenges`. */
export const ClearanceRequestSchema = z
  .strictObject({
    saleId: IdSchema,
    token: z.string().max(CHALLENGE_TOKEN_LENGTH_MAX),
    solution: z.string().max(SOLUTION_LENGTH_MAX),
  })
  .openapi("ClearanceRequest");

/** 201 of `POST /v1/challenges`. */
export const ClearanceSchema = z
  .strictObject({
    saleId: IdSchema,
    clearance: z.string().openapi({ description: "Send it as `X-Clearance` with attempts of this sale." }),
    expiresAt: instant("When it clears nothing any more."),
  })
  .openapi("Clearance");

/** `GET /healthz` and `GET /readyz`. */
export const HealthSchema = z.strictObject({ status: z.literal("ok") }).openapi("Health");

/** Members of the table of refusals, for the enum of the problem document. */
const REASONS = Object.keys(REFUSALS) as [RefusalReason, ...RefusalReason[]];

/** RFC 9457 problem; every answer that is not 2xx or 304. */
export const ProblemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string().openapi({ description: "Text a buyer may read." }),
    status: z.number().int(),
    reason: z.union([z.enum(REASONS), z.string()]).openapi({ description: `One of: ${REASONS.join(", ")}, …` }),
    stage: z.enum(STAGES).optional().openapi({ description: "The stage of the funnel that answered." }),
    detail: z.string().optional(),
    retryAfterMs: z.number().int().optional().openapi({ description: "Also as Retry-After, in seconds, rounded up." }),
    opensAt: z.number().int().optional(),
    serverNow: z.number().int().optional(),
    rule: z.string().optional(),
    left: z
      .number()
      .int()
      .optional()
      .openapi({ description: "With `empty`: asked for fewer, this many could have been had at that moment." }),
    cause: z.string().optional().openapi({ description: "Why a solved challenge did not count." }),
    challenge: ChallengeSchema.optional().openapi({ description: "A fresh challenge to solve." }),
    requestId: z.string().optional(),
  })
  .openapi("Problem");
