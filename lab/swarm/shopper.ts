/**
 * How one buyer talks to the shop: sends an attempt, understands the answer, reports what the shop can be held to, and
 * (when honest) waits as long as it was told before asking again.
 *
 * A press is one intention with one idempotency key, however many requests it takes. Honest buyers honour Retry-After
 * with jitter, so that those who were refused together do not come back together, and give up when their budget is
 * used. An answer that never came makes the outcome unknown for good: a later refusal of the same key does not prove
 * that the lost request did nothing.
 */
import { deriveRid, parseBuyerId, parseSaleId } from "../../src/domain/ids.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { type HttpAnswer, headerOf } from "./http-answer.ts";
import type { Drop, HttpClient, HttpOutcome } from "./http-client.ts";
import type { Observation } from "./observation.ts";
import type { BuyerPlan } from "./population.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { type BuyerSession, buildSignedRequest, type Tampering } from "./signed-request.ts";
import { wait } from "./system-clock.ts";
import { ACCEPTED, QUEUED, type Tally } from "./tally.ts";

/** Requests of one press that were refused for lack of capacity or answered by silence. */
const RETRIES_MAX = 12;
const RETRY_AFTER_MS_DEFAULT = 500;
const RETRY_AFTER_MS_MAX = 5_000;
const CREATED_STATUS = 201;
const ACCEPTED_STATUS_MAX = 202;
const GATEWAY_STATUSES = new Set([502, 503, 504]);
/** Refusals that say "perhaps": the attempt may have been acted on. */
const UNKNOWN_OUTCOMES = new Set(["unavailable", "internal"]);
/** "signature_stale": signed ahead of time and left too late; the next request is signed afresh. */
const RETRYABLE = new Set([
  "busy",
  "draining",
  "throttled",
  "paused",
  "unavailable",
  "not_open",
  "internal",
  "signature_stale",
]);
/** Refusals that a key which was accepted must never get. */
const RETRACTIONS = new Set([
  "empty",
  "sold_out",
  "limit_reached",
  "bad_quantity",
  "key_reused",
  "not_open",
  "not_eligible",
  "closed",
]);

/** Everything the buyers of one process share. */
export interface ShopContext {
  readonly clock: Clock;
  readonly client: HttpClient;
  readonly tally: Tally;
  readonly host: string;
  readonly saleId: string;
  readonly skus: readonly string[];
  readonly perBuyerMax: readonly number[];
  /** Nodes that share nothing but the ledger: each has rate limits and a memory for nonces of its own. */
  readonly nodeCount: number;
  /** When the sale opens and when patient buyers go home, by this process's clock. */
  opensAtMs: number;
  patienceUntilMs: number;
  /** Add to this process's clock to get the server's. */
  serverOffsetMs: number;
  readonly observe: (observation: Observation) => void;
  /** Items already reported as sold out by this process. */
  readonly soldOutSkus: Set<string>;
}

/** A buyer at work. */
export interface Buyer {
  readonly plan: BuyerPlan;
  readonly session: BuyerSession;
  readonly random: SeededRandom;
  readonly won: Map<string, Win>;
}

/** A key that was accepted. */
export interface Win {
  readonly rid: string;
  readonly atMs: number;
  /** True while no answer has said more than "queued". */
  readonly isQueued: boolean;
}

/** One intention to buy. */
export interface Press {
  readonly idempotencyKey: string;
  readonly quantity: number;
  /** The instant the buyer meant to press: latencies count from here. */
  readonly scheduledAtMs: number;
  /** The first request, when it was signed ahead of time. */
  readonly prepared?: Uint8Array;
}

/** What a single request came to. */
export type Reply =
  | { readonly kind: "accepted"; readonly rid: string }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly stage: string;
      readonly reason: string;
      readonly retryAfterMs: number;
    }
  | { readonly kind: "silence" };

/** True when the answer proves that the nonce is remembered: a node only notes those of attempts that reach the last stage. */
export function hasSpentNonce(reply: Reply): boolean {
  return reply.kind === "accepted" || (reply.kind === "refused" && reply.stage === "reserve");
}

/** The path of the hot route for the buyer's item. */
export function reservationPath(context: ShopContext, plan: BuyerPlan): string {
  return `/v1/sales/${context.saleId}/items/${context.skus[plan.itemIndex]}/reservations`;
}

/** A freshly signed attempt; `tampering` makes it a forged one. */
export function signAttempt(
  context: ShopContext,
  buyer: Pick<Buyer, "plan" | "session" | "random">,
  attempt: { idempotencyKey: string; quantity: number; leavesAtMs: number; nonce?: string },
  tampering: Tampering = {},
): Buffer {
  const content = {
    method: "POST" as const,
    path: reservationPath(context, buyer.plan),
    body: `{"quantity":${attempt.quantity}}`,
    idempotencyKey: attempt.idempotencyKey,
    timestampMs: Math.round(attempt.leavesAtMs + context.serverOffsetMs),
    nonce: attempt.nonce ?? buyer.random.text(22),
  };
  return buildSignedRequest(buyer.session, content, context.host, tampering);
}

/** Presses until there is an answer worth keeping, or the budget or patience is used up. */
export async function press(context: ShopContext, buyer: Buyer, intent: Press): Promise<Reply> {
  let scheduledAtMs = intent.scheduledAtMs;
  let bytes = intent.prepared;
  let retriesLeft = RETRIES_MAX;
  for (let isFirst = true; ; isFirst = false) {
    bytes ??= signAttempt(context, buyer, { ...intent, leavesAtMs: context.clock.nowMs() });
    const reply = await sendAttempt(context, buyer, { ...intent, bytes, scheduledAtMs, isFirst });
    bytes = undefined;
    if (reply.kind === "accepted") return reply;
    const nowMs = context.clock.nowMs();
    const isWaitingForStock = reply.kind === "refused" && reply.reason === "empty";
    if (isWaitingForStock && !(buyer.plan.isPatient && nowMs < context.patienceUntilMs)) return reply;
    if (reply.kind === "refused" && !isWaitingForStock && !RETRYABLE.has(reply.reason)) return reply;
    if (!isWaitingForStock && retriesLeft-- <= 0) return reply;
    scheduledAtMs = nowMs + retryDelayMs(buyer, reply);
    await wait(context.clock, scheduledAtMs - nowMs);
  }
}

/** One request and its answer, counted and reported. */
export async function sendAttempt(
  context: ShopContext,
  buyer: Buyer,
  attempt: Press & { bytes: Uint8Array; isFirst: boolean; drop?: Drop },
): Promise<Reply> {
  const wonBefore = buyer.won.get(attempt.idempotencyKey);
  const outcome = await send(context, attempt.bytes, attempt.drop);
  const nowMs = context.clock.nowMs();
  const facts = attemptFacts(context, buyer, attempt);
  if (outcome.kind === "no_answer") {
    context.tally.noAnswer(buyer.plan.population, outcome.cause);
    const couldArrive = outcome.cause !== "queue_full" && outcome.cause !== "refused";
    if (couldArrive) context.observe({ kind: "unknown", ...facts, rid: expectedRid(context, buyer, attempt) });
    return { kind: "silence" };
  }
  const isAccepted = outcome.answer.status <= ACCEPTED_STATUS_MAX;
  const problem = isAccepted ? readAcceptance(outcome.answer) : readProblem(outcome.answer);
  context.tally.answer({
    population: buyer.plan.population,
    stage: problem.stage,
    reason: problem.reason,
    latencyMs: nowMs - attempt.scheduledAtMs,
    isFirst: attempt.isFirst,
    sinceOpeningMs: nowMs - context.opensAtMs,
  });
  if (isAccepted) return accept(context, buyer, attempt, outcome.answer, nowMs);
  if (UNKNOWN_OUTCOMES.has(problem.reason)) {
    context.observe({ kind: "unknown", ...facts, rid: expectedRid(context, buyer, attempt) });
  }
  if (problem.reason === "sold_out" && !context.soldOutSkus.has(facts.sku)) {
    context.soldOutSkus.add(facts.sku);
    context.observe({ kind: "sold_out", sku: facts.sku });
  }
  if (wonBefore !== undefined && RETRACTIONS.has(problem.reason)) {
    const { rid, isQueued, atMs } = wonBefore;
    const { stage, reason } = problem;
    const sinceAcceptedMs = Math.round(nowMs - atMs);
    const when = { sinceAcceptedMs, answeredAtMs: nowMs + context.serverOffsetMs };
    context.observe({ kind: "retracted", ...facts, rid, stage, reason, ...when, wasQueued: isQueued });
  }
  return {
    kind: "refused",
    status: outcome.answer.status,
    stage: problem.stage,
    reason: problem.reason,
    retryAfterMs: problem.retryAfterMs,
  };
}

/** Sends, and takes the word of whoever stands in front of the shop for no answer of the shop. */
export async function send(context: ShopContext, bytes: Uint8Array, drop?: Drop): Promise<HttpOutcome> {
  const outcome = await context.client.send(bytes, drop ?? null);
  if (outcome.kind === "no_answer" || !GATEWAY_STATUSES.has(outcome.answer.status)) return outcome;
  const isOurs = typeof parseObject(outcome.answer.body)["reason"] === "string";
  return isOurs ? outcome : { kind: "no_answer", cause: "gateway" };
}

/** The row of an acceptance in the tables: committed, or only queued. */
export function readAcceptance(answer: HttpAnswer): { stage: string; reason: string; retryAfterMs: number } {
  return { stage: "reserve", reason: answer.status > CREATED_STATUS ? QUEUED : ACCEPTED, retryAfterMs: 0 };
}

/** The facts of an attempt as observations carry them. */
export function attemptFacts(
  context: ShopContext,
  buyer: Pick<Buyer, "plan" | "session">,
  attempt: { idempotencyKey: string; quantity: number },
) {
  return {
    population: buyer.plan.population,
    buyerId: buyer.session.buyerId,
    sku: context.skus[buyer.plan.itemIndex] ?? "",
    idempotencyKey: attempt.idempotencyKey,
    quantity: attempt.quantity,
  };
}

/** The reservation id that the contract derives for a key of this buyer. */
export function expectedRid(
  context: ShopContext,
  buyer: Pick<Buyer, "session">,
  attempt: { idempotencyKey: string },
): string {
  const buyerId = parseBuyerId(buyer.session.buyerId);
  const saleId = parseSaleId(context.saleId);
  if (buyerId === null || saleId === null) throw new Error(`not an id: ${buyer.session.buyerId} or ${context.saleId}`);
  return deriveRid({ buyerId, saleId, idempotencyKey: attempt.idempotencyKey });
}

/** Stage, reason and advice of a refusal. A status without a problem document is a reason of its own. */
export function readProblem(answer: HttpAnswer): { stage: string; reason: string; retryAfterMs: number } {
  const problem = parseObject(answer.body);
  const stage = typeof problem["stage"] === "string" ? problem["stage"] : "none";
  const reason = typeof problem["reason"] === "string" ? problem["reason"] : `status_${answer.status}`;
  const advised = problem["retryAfterMs"];
  const retryAfterMs =
    typeof advised === "number" ? advised : Number(headerOf(answer.head, "retry-after") ?? 0) * 1_000;
  return { stage, reason, retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : 0 };
}

/** The body as an object; an empty one when it is not JSON or not an object. */
export function parseObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** Never earlier than advised, up to half as long again later. */
export function retryDelayMs(buyer: Pick<Buyer, "random">, reply: Reply): number {
  const advisedMs = reply.kind === "refused" && reply.retryAfterMs > 0 ? reply.retryAfterMs : RETRY_AFTER_MS_DEFAULT;
  const isOpening = reply.kind === "refused" && reply.reason === "not_open";
  // Everybody who came early was told the same instant: the jitter there is short, the wait is as long as it takes.
  if (isOpening) return advisedMs + buyer.random.fraction() * RETRY_AFTER_MS_DEFAULT;
  return Math.min(advisedMs, RETRY_AFTER_MS_MAX) * (1 + buyer.random.fraction() / 2);
}

function accept(
  context: ShopContext,
  buyer: Buyer,
  attempt: { idempotencyKey: string; quantity: number },
  answer: HttpAnswer,
  nowMs: number,
): Reply {
  const body = parseObject(answer.body);
  const rid = String(body["rid"]);
  const status = String(body["status"]);
  context.observe({
    kind: "accepted",
    ...attemptFacts(context, buyer, attempt),
    rid,
    expectedRid: expectedRid(context, buyer, attempt),
    answeredSku: String(body["sku"]),
    answeredQuantity: Number(body["quantity"]),
    answeredStatus: status,
    isReplay: headerOf(answer.head, "idempotent-replayed") === "true",
    answeredAtMs: nowMs + context.serverOffsetMs,
  });
  const known = buyer.won.get(attempt.idempotencyKey);
  const isQueued = status === QUEUED && (known?.isQueued ?? true);
  buyer.won.set(attempt.idempotencyKey, { rid, atMs: known?.atMs ?? nowMs, isQueued });
  return { kind: "accepted", rid };
}
