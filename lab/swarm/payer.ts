/**
 * Pays for what was won, or does not: checkout at the shop, then the provider's hosted page, as a buyer would.
 *
 * Uses a small pool of its own, so that paying never waits behind the rush. A payment counts as made only on the
 * provider's word; a hold that ended first is "too late", which is legal and counted. Whether the money turned into a
 * paid order is for the judge to find out in the database.
 */
import { followQueued } from "./follower.ts";
import { type HttpAnswer, headerOf } from "./http-answer.ts";
import type { HttpClient } from "./http-client.ts";
import { type Buyer, parseObject, readProblem, retryDelayMs, type ShopContext } from "./shopper.ts";
import { buildPlainRequest, buildSignedRequest } from "./signed-request.ts";
import { wait } from "./system-clock.ts";

const RETRIES_MAX = 10;
const RETRYABLE = new Set(["busy", "draining", "throttled", "unavailable", "internal"]);
const NOTIFIED_TWICE_SHARE = 0.1;
const NOTIFIED_REVERSED_SHARE = 0.05;
const NOTIFIED_LATE_SHARE = 0.1;
const LOST_STATUSES = new Set(["lost", "void"]);
const FORM = "application/x-www-form-urlencoded";

/**
 * A bounded number of buyers paying at once. Whoever has begun is finished before the next one begins: otherwise, on a
 * busy machine, everybody would have a checkout open and nobody have paid when the holds end.
 */
export class Tills {
  private freeCount: number;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.freeCount = count;
  }

  /** Runs the payment at the next free till, in the order of arrival. */
  async pay(payment: () => Promise<void>): Promise<void> {
    if (this.freeCount > 0) this.freeCount -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      await payment();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.freeCount += 1;
      else next();
    }
  }
}

/**
 * Waits for what is only queued, thinks, then pays as planned for everything the buyer has. Never rejects for what the
 * shop answers.
 */
export async function payForWins(context: ShopContext, tills: Tills, client: HttpClient, buyer: Buyer): Promise<void> {
  const rids = await listHeld(context, client, buyer);
  if (rids.size === 0) return;
  if (buyer.plan.payment === "abandons") {
    context.tally.payments.abandoned += rids.size;
    return;
  }
  await wait(context.clock, buyer.plan.thinkMs);
  for (const rid of rids) await tills.pay(() => payFor(context, client, buyer, rid));
}

/** Reservations that the buyer has; a queued one counts once the shop has decided for it. */
async function listHeld(context: ShopContext, client: HttpClient, buyer: Buyer): Promise<ReadonlySet<string>> {
  const { payments } = context.tally;
  const held = new Set<string>();
  for (const { rid, isQueued } of buyer.won.values()) {
    if (isQueued) {
      const status = await followQueued(context, client, buyer, rid);
      context.observe({ kind: "decided", rid, status });
      payments.followed += 1;
      if (LOST_STATUSES.has(status)) payments.lost += 1;
      else if (status !== "held") payments.tooLate += 1;
      if (status !== "held") continue;
    }
    held.add(rid);
  }
  return held;
}

async function payFor(context: ShopContext, client: HttpClient, buyer: Buyer, rid: string): Promise<void> {
  const { payments } = context.tally;
  const checkout = await callUntilAnswered(context, client, buyer, () => checkoutRequest(context, buyer, rid));
  if (checkout === null) {
    payments.failed += 1;
    return;
  }
  if (checkout.status !== 201) {
    if (readProblem(checkout).reason === "ended") payments.tooLate += 1;
    else payments.failed += 1;
    return;
  }
  if (buyer.plan.payment === "abandons_checkout") {
    payments.abandoned += 1;
    return;
  }
  const page = new URL(String(parseObject(checkout.body)["checkoutUrl"]), `http://${context.host}`);
  if (buyer.plan.payment === "declines_then_pays") {
    const declined = await callUntilAnswered(context, client, buyer, () =>
      pressButton(context, buyer, page, "decline"),
    );
    if (declined !== null && declined.status < 400) payments.declined += 1;
  }
  const paid = await callUntilAnswered(context, client, buyer, () => pressButton(context, buyer, page, "pay"));
  if (paid === null) {
    payments.failed += 1;
  } else if (isSentBackToShop(paid, page)) {
    payments.paid += 1;
    context.observe({ kind: "paid", rid });
  } else {
    payments.tooLate += 1;
  }
}

/** Asks again, politely, while the answer is "not now" or there is none; null when the budget is used up. */
async function callUntilAnswered(
  context: ShopContext,
  client: HttpClient,
  buyer: Buyer,
  build: () => Uint8Array,
): Promise<HttpAnswer | null> {
  for (let call = 0; call <= RETRIES_MAX; call++) {
    const outcome = await client.send(build());
    if (outcome.kind === "answer") {
      const { status } = outcome.answer;
      if (status < 400) return outcome.answer;
      const problem = readProblem(outcome.answer);
      if (!RETRYABLE.has(problem.reason) && status < 500) return outcome.answer;
      await wait(context.clock, retryDelayMs(buyer, { kind: "refused", status, ...problem }));
    } else {
      await wait(context.clock, retryDelayMs(buyer, { kind: "silence" }));
    }
  }
  return null;
}

function checkoutRequest(context: ShopContext, buyer: Buyer, rid: string): Uint8Array {
  const content = {
    method: "POST" as const,
    path: `/v1/reservations/${rid}/checkout`,
    body: null,
    idempotencyKey: null,
    timestampMs: context.clock.nowMs() + context.serverOffsetMs,
    nonce: buyer.random.text(22),
  };
  return buildSignedRequest(buyer.session, content, context.host);
}

/** A press of a button on the hosted page; some payments are notified late, twice or in the wrong order. */
function pressButton(context: ShopContext, buyer: Buyer, page: URL, action: "pay" | "decline"): Uint8Array {
  const form = new URLSearchParams({ action });
  if (buyer.random.fraction() < NOTIFIED_TWICE_SHARE) form.set("notifyCopies", "2");
  if (buyer.random.fraction() < NOTIFIED_REVERSED_SHARE) form.set("notifyReversed", "yes");
  if (buyer.random.fraction() < NOTIFIED_LATE_SHARE) form.set("notifySeconds", "2");
  return buildPlainRequest({
    method: "POST",
    path: page.pathname + page.search,
    host: context.host,
    forwardedFor: buyer.session.forwardedFor,
    body: form.toString(),
    contentType: FORM,
  });
}

/** Whoever paid is sent back to the shop; whoever did not stays on the page, which says why. */
function isSentBackToShop(answer: HttpAnswer, page: URL): boolean {
  if (answer.status !== 303) return false;
  const location = headerOf(answer.head, "location");
  return location !== null && !location.includes(page.pathname.toLowerCase());
}
