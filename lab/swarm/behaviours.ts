/**
 * What each population does, from its first press to its last: the honest, the hasty, the unlucky and the crooked.
 *
 * Each behaviour is one straight story told with press() and sendAttempt(); all of them end by themselves, because every
 * press has a budget. Paying for what was won is payer.ts. Every request that is not the session owner's as sent is
 * reported as "forged" with its answer, whatever the answer was; judging is not done here.
 */
import type { ForgedHow } from "./observation.ts";
import { FORGERIES, type Forgery, type Population } from "./population.ts";
import {
  attemptFacts,
  type Buyer,
  expectedRid,
  hasSpentNonce,
  press,
  readAcceptance,
  readProblem,
  type ShopContext,
  send,
  sendAttempt,
  signAttempt,
} from "./shopper.ts";
import type { BuyerSession, Tampering } from "./signed-request.ts";
import { wait } from "./system-clock.ts";

const IMPATIENT_REQUESTS = 12;
const IMPATIENT_INTERVAL_MS = 25;
const GREEDY_PARALLEL_PRESSES = 3;
const DROP_AFTER_MS_MAX = 30;
const FORGERIES_PER_FORGER = 2;
const STALE_MS = 90_000;

/** What a buyer brings to the opening. */
export interface Start {
  readonly scheduledAtMs: number;
  /** The first request, signed ahead of time with the buyer's first key. */
  readonly prepared: Uint8Array;
  /** Another buyer's session, for those who sign with a key that is not theirs. */
  readonly neighbour: BuyerSession;
}

type Behaviour = (context: ShopContext, buyer: Buyer, start: Start) => Promise<void>;

/** The idempotency key of a buyer's n-th intention. */
export function idempotencyKeyOf(buyer: { plan: { index: number } }, intention: number): string {
  return `crowd-${buyer.plan.index}-${intention}`;
}

export const BEHAVIOURS: Readonly<Record<Population, Behaviour>> = {
  normal: pressOnce,
  early_bird: pressOnce,
  double_clicker: pressTwiceAtOnce,
  retrier: hangUpAndRetry,
  forger: forge,
  replayer: pressAndReplay,
  greedy: askForTooMuch,
  impatient: hammer,
};

async function pressOnce(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  await press(context, buyer, firstIntent(buyer, start));
}

/** Two requests with one key leave together; each is retried like any other. */
async function pressTwiceAtOnce(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  const { prepared: _signedAgain, ...second } = firstIntent(buyer, start);
  await Promise.all([press(context, buyer, firstIntent(buyer, start)), press(context, buyer, second)]);
}

/** Hangs up in the middle of the request or just after it, comes back with the same key, and asks once more when won. */
async function hangUpAndRetry(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  const intent = firstIntent(buyer, start);
  const hangsUpMidRequest = buyer.random.fraction() < 0.3;
  const afterBytes = hangsUpMidRequest ? 1 + buyer.random.below(start.prepared.length - 1) : null;
  const drop = { afterBytes, afterMs: buyer.random.below(DROP_AFTER_MS_MAX) };
  await sendAttempt(context, buyer, { ...intent, bytes: start.prepared, isFirst: false, drop });
  const { prepared: _hungUp, ...again } = intent;
  const reply = await press(context, buyer, again);
  if (reply.kind === "accepted") await press(context, buyer, { ...again, scheduledAtMs: context.clock.nowMs() });
}

async function forge(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  for (let round = 0; round < FORGERIES_PER_FORGER; round++) {
    const how = FORGERIES[buyer.random.below(FORGERIES.length)] ?? "random_signature";
    const attempt = { idempotencyKey: idempotencyKeyOf(buyer, round), quantity: buyer.plan.quantity };
    const leavesAtMs = context.clock.nowMs() - (how === "stale_timestamp" ? STALE_MS : 0);
    const tampering = tamper(context, buyer, start, how);
    const sentKey = tampering.idempotencyKey ?? attempt.idempotencyKey;
    const bytes = signAttempt(context, buyer, { ...attempt, leavesAtMs }, tampering);
    await sendForged(context, buyer, { bytes, how, idempotencyKey: sentKey, scheduledAtMs: start.scheduledAtMs });
  }
}

/** An honest purchase, then the same bytes again, then the captured request with another key, then its nonce again. */
async function pressAndReplay(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  const nonce = buyer.random.text(22);
  const idempotencyKey = idempotencyKeyOf(buyer, 0);
  const quantity = buyer.plan.quantity;
  const leavesAtMs = context.clock.nowMs();
  const attempt = { idempotencyKey, quantity, leavesAtMs, nonce };
  const captured = signAttempt(context, buyer, attempt);
  const intent = { idempotencyKey, quantity, scheduledAtMs: start.scheduledAtMs };
  const reply = await press(context, buyer, { ...intent, prepared: captured });
  if (reply.kind === "silence") return;
  const nowMs = context.clock.nowMs();
  // The same bytes are the same request: the answer to it, or a refusal that promises nothing, but never a second unit.
  const replay = { ...intent, scheduledAtMs: nowMs, bytes: captured, isFirst: false };
  const again = await sendAttempt(context, buyer, replay);
  const otherKey = idempotencyKeyOf(buyer, 1);
  const withOtherKey = signAttempt(context, buyer, attempt, { idempotencyKey: otherKey });
  const forged = { idempotencyKey: otherKey, scheduledAtMs: context.clock.nowMs() };
  await sendForged(context, buyer, { ...forged, bytes: withOtherKey, how: "captured_with_other_key" });
  // Of an attempt that was refused on its way nothing is remembered, so there would be nothing to reuse. Nor is there on
  // another node, which remembers its own nonces: an attempt like any other there.
  if (!hasSpentNonce(again) || context.nodeCount > 1) return;
  const nonceAgain = signAttempt(context, buyer, { ...attempt, idempotencyKey: otherKey });
  await sendForged(context, buyer, { ...forged, bytes: nonceAgain, how: "nonce_reused" });
}

/** Several times the limit at once under different keys, and once more than a single request may ask for. */
async function askForTooMuch(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  const presses = [press(context, buyer, firstIntent(buyer, start))];
  for (let intention = 1; intention < GREEDY_PARALLEL_PRESSES; intention++) {
    const quantity = 1 + buyer.random.below(buyer.plan.quantity);
    const idempotencyKey = idempotencyKeyOf(buyer, intention);
    presses.push(press(context, buyer, { idempotencyKey, quantity, scheduledAtMs: start.scheduledAtMs }));
  }
  await Promise.all(presses);
  const tooMany = (context.perBuyerMax[buyer.plan.itemIndex] ?? 1) + 1;
  const idempotencyKey = idempotencyKeyOf(buyer, GREEDY_PARALLEL_PRESSES);
  await press(context, buyer, { idempotencyKey, quantity: tooMany, scheduledAtMs: context.clock.nowMs() });
}

/** Presses far above every node's rate limit, deaf to every answer; every second press with the same key. */
async function hammer(context: ShopContext, buyer: Buyer, start: Start): Promise<void> {
  const inFlight: Promise<unknown>[] = [];
  for (let request = 0; request < IMPATIENT_REQUESTS * context.nodeCount; request++) {
    const scheduledAtMs = start.scheduledAtMs + (request * IMPATIENT_INTERVAL_MS) / context.nodeCount;
    const delayMs = scheduledAtMs - context.clock.nowMs();
    if (delayMs > 0) await wait(context.clock, delayMs);
    const idempotencyKey = idempotencyKeyOf(buyer, request % 2 === 0 ? 0 : request);
    const attempt = { idempotencyKey, quantity: buyer.plan.quantity };
    const bytes = signAttempt(context, buyer, { ...attempt, leavesAtMs: context.clock.nowMs() });
    inFlight.push(sendAttempt(context, buyer, { ...attempt, scheduledAtMs, bytes, isFirst: request === 0 }));
  }
  await Promise.all(inFlight);
}

function firstIntent(buyer: Buyer, start: Start) {
  return {
    idempotencyKey: idempotencyKeyOf(buyer, 0),
    quantity: buyer.plan.quantity,
    scheduledAtMs: start.scheduledAtMs,
    prepared: start.prepared,
  };
}

function tamper(context: ShopContext, buyer: Buyer, start: Start, how: Forgery): Tampering {
  const { plan, session, random } = buyer;
  switch (how) {
    case "random_signature":
      return { signature: random.text(43) };
    case "other_key":
      return { signingKey: start.neighbour.signingKey };
    case "altered_path": {
      const otherSku = context.skus[(plan.itemIndex + 1) % context.skus.length] ?? "";
      return { path: `/v1/sales/${context.saleId}/items/${otherSku}/reservations` };
    }
    case "altered_key":
      return { idempotencyKey: `${idempotencyKeyOf(buyer, 0)}-altered` };
    case "altered_body":
      return { body: `{"quantity":${plan.quantity + 1}}` };
    case "altered_token":
      return { token: session.token.replace(session.buyerId, start.neighbour.buyerId) };
    case "missing_signature":
      return { signature: null };
    case "stale_timestamp":
      return {};
  }
}

async function sendForged(
  context: ShopContext,
  buyer: Buyer,
  forged: { bytes: Uint8Array; how: ForgedHow; idempotencyKey: string; scheduledAtMs: number },
): Promise<void> {
  const outcome = await send(context, forged.bytes);
  const nowMs = context.clock.nowMs();
  const facts = attemptFacts(context, buyer, { idempotencyKey: forged.idempotencyKey, quantity: buyer.plan.quantity });
  const rid = expectedRid(context, buyer, forged);
  if (outcome.kind === "no_answer") {
    context.tally.noAnswer(buyer.plan.population, outcome.cause);
    context.observe({ kind: "forged", ...facts, how: forged.how, rid, status: 0, stage: "", reason: outcome.cause });
    return;
  }
  const { answer } = outcome;
  const problem = answer.status <= 202 ? readAcceptance(answer) : readProblem(answer);
  const { stage, reason } = problem;
  context.tally.answer({
    population: buyer.plan.population,
    stage,
    reason,
    latencyMs: nowMs - forged.scheduledAtMs,
    isFirst: false,
    sinceOpeningMs: nowMs - context.opensAtMs,
  });
  context.observe({ kind: "forged", ...facts, how: forged.how, rid, status: answer.status, stage, reason });
}
