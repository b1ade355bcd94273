/**
 * A buyer who was told "queued" asks until there is an answer: held, lost, or whatever the shop has decided.
 *
 * Asks often at first and then less, with jitter, and gives up after far longer than any shop may need. Silence, a dead
 * node or a refusal for lack of capacity is no answer to the question and is asked again; so is "not found", which a
 * shop may say while the only one who remembers the attempt is away.
 */
import type { HttpClient } from "./http-client.ts";
import { type Buyer, parseObject, type ShopContext } from "./shopper.ts";
import { buildSignedRequest } from "./signed-request.ts";
import { wait } from "./system-clock.ts";

const FIRST_DELAY_MS = 150;
const DELAY_GROWTH = 1.5;
const DELAY_MS_MAX = 2_000;
const GIVES_UP_AFTER_MS = 45_000;
const UNDECIDED = "queued";

/** The reservation's status once it is another one than "queued"; "queued" when nobody could ever say. */
export async function followQueued(
  context: ShopContext,
  client: HttpClient,
  buyer: Buyer,
  rid: string,
): Promise<string> {
  const deadlineMs = context.clock.monotonicMs() + GIVES_UP_AFTER_MS;
  let delayMs = FIRST_DELAY_MS;
  while (context.clock.monotonicMs() < deadlineMs) {
    await wait(context.clock, delayMs * (0.5 + buyer.random.fraction()));
    delayMs = Math.min(delayMs * DELAY_GROWTH, DELAY_MS_MAX);
    const outcome = await client.send(readRequest(context, buyer, rid));
    const isFound = outcome.kind === "answer" && outcome.answer.status === 200;
    const status = isFound ? parseObject(outcome.answer.body)["status"] : UNDECIDED;
    if (typeof status === "string" && status !== UNDECIDED) return status;
  }
  return UNDECIDED;
}

function readRequest(context: ShopContext, buyer: Buyer, rid: string): Uint8Array {
  const content = {
    method: "GET" as const,
    path: `/v1/reservations/${rid}`,
    body: null,
    idempotencyKey: null,
    timestampMs: Math.round(context.clock.nowMs() + context.serverOffsetMs),
    nonce: buyer.random.text(22),
  };
  return buildSignedRequest(buyer.session, content, context.host);
}
