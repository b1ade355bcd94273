/**
 * The steps of buying, as the contract has them: session, challenge, pass, attempt, payment. Who takes them and how
 * patiently is the stories' business.
 *
 * A shopper is a visitor with a wish (one unit under one key), a device that computes, and what he has earned so far.
 */
import { wait } from "../system-clock.ts";
import { type Device, solve, type WorkTask } from "./devices.ts";
import { type Disguise, loginBody } from "./disguise.ts";
import type { Reply, Scene, Visitor } from "./visitor.ts";

/** Somebody who wants a unit. */
export interface Shopper {
  readonly visitor: Visitor;
  readonly disguise: Disguise;
  readonly account: { readonly name: string; readonly ageDays: number };
  readonly device: Device;
  readonly idempotencyKey: string;
  pass: string | null;
  clearance: string | null;
}

/** How somebody takes "not now". */
export interface Manners {
  /** Requests of one step before he gives up. */
  readonly triesMax: number;
  /** From the advice he was given to when he asks again. */
  readonly waitMs: (advisedMs: number, shopper: Shopper) => number;
}

const LATER = new Set(["busy", "draining", "throttled", "unavailable", "internal", "paused", "not_open"]);
const ADVICE_MS_DEFAULT = 500;
const ADVICE_MS_MAX = 10_000;
const CREATED = 201;
const QUEUED = 202;
/** Of the provider's page, which is no part of the shop. */
const UNAVAILABLE = 503;
const FORM = "application/x-www-form-urlencoded";
const UNIT = '{"quantity":1}';

/** Waits at least as long as advised, and a little longer, so that not everybody comes back together. */
export const PATIENT: Manners = {
  triesMax: 15,
  waitMs: (advisedMs, { visitor }) => advisedMs + visitor.random.fraction() * 250,
};

/** True when the answer says "not now" or there was none, so that the same request may get another one. */
export function isLater(reply: Reply): boolean {
  return reply.layer === "connection" || LATER.has(reply.reason) || reply.status === UNAVAILABLE;
}

/** Waits as these manners do. False when there is no time left. */
export async function waitAsAdvised(shopper: Shopper, reply: Reply, manners: Manners): Promise<boolean> {
  const { scene } = shopper.visitor;
  const advisedMs = reply.retryAfterMs > 0 ? reply.retryAfterMs : ADVICE_MS_DEFAULT;
  const isOpening = reply.reason === "not_open";
  const delayMs = manners.waitMs(isOpening ? advisedMs : Math.min(advisedMs, ADVICE_MS_MAX), shopper);
  if (scene.clock.nowMs() + delayMs > scene.endsAtMs) return false;
  await wait(scene.clock, delayMs);
  return true;
}

/** Asks until there is an answer other than "not now". */
export async function askPolitely(shopper: Shopper, manners: Manners, ask: () => Promise<Reply>): Promise<Reply> {
  for (let tries = 1; ; tries++) {
    const reply = await ask();
    if (!isLater(reply) || tries >= manners.triesMax) return reply;
    if (!(await waitAsAdvised(shopper, reply, manners))) return reply;
  }
}

/** Logs in. */
export async function begin(shopper: Shopper, manners: Manners): Promise<Reply> {
  const { visitor, account, disguise } = shopper;
  const body = loginBody(account, disguise.signals, visitor.scene.clock.nowMs());
  const reply = await askPolitely(shopper, manners, () => visitor.ask({ method: "POST", path: "/v1/sessions", body }));
  const { token, signingKey, buyerId } = reply.document;
  if (typeof token === "string" && typeof signingKey === "string" && typeof buyerId === "string") {
    visitor.session = { token, buyerId, signingKey: Buffer.from(signingKey, "base64url") };
  }
  return reply;
}

/** The challenge that a refusal carries. */
export function taskIn(reply: Reply): WorkTask | null {
  const challenge = reply.document["challenge"];
  if (challenge === null || typeof challenge !== "object") return null;
  const { token, difficulty, puzzles } = challenge as Partial<WorkTask>;
  const isWork = typeof token === "string" && typeof difficulty === "number" && typeof puzzles === "number";
  return isWork ? { token, difficulty, puzzles } : null;
}

/** Solves what a refusal asks for and hands it in. True when there is a clearance now. */
export async function earnClearance(shopper: Shopper, asked: Reply, manners: Manners): Promise<boolean> {
  const { visitor, device } = shopper;
  const { scene } = visitor;
  const task = taskIn(asked);
  if (task === null) return false;
  visitor.hangUp();
  const solution = await solve(scene.clock, task, device);
  const body = JSON.stringify({ saleId: scene.saleId, token: task.token, solution });
  const reply = await askPolitely(shopper, manners, () =>
    visitor.ask({ method: "POST", path: "/v1/challenges", body, proof: "signature" }),
  );
  const { clearance } = reply.document;
  shopper.clearance = typeof clearance === "string" ? clearance : null;
  return shopper.clearance !== null;
}

/** One request for a pass. */
export async function askForPass(shopper: Shopper): Promise<Reply> {
  const { visitor, idempotencyKey, clearance } = shopper;
  const { saleId, sku } = visitor.scene;
  const body = JSON.stringify({ sku, quantity: 1, idempotencyKey });
  const reply = await visitor.ask({
    method: "POST",
    path: `/v1/sales/${saleId}/passes`,
    body,
    proof: "signature",
    ...(clearance === null ? {} : { headers: { "X-Clearance": clearance } }),
  });
  const { pass } = reply.document;
  if (typeof pass === "string") shopper.pass = pass;
  return reply;
}

/** Gets a pass ahead of the opening, solving on the way; the last answer. */
export async function arm(shopper: Shopper, manners: Manners, challengesMax = 3): Promise<Reply> {
  for (let challenges = 0; ; challenges++) {
    const reply = await askPolitely(shopper, manners, () => askForPass(shopper));
    if (taskIn(reply) === null || challenges >= challengesMax) return reply;
    if (!(await earnClearance(shopper, reply, manners))) return reply;
  }
}

export function attemptPath({ saleId, sku }: Scene): string {
  return `/v1/sales/${saleId}/items/${sku}/reservations`;
}

/** One attempt, with the pass if there is one. */
export async function attempt(shopper: Shopper): Promise<Reply> {
  const { visitor, idempotencyKey, pass, clearance } = shopper;
  const call = {
    method: "POST",
    path: attemptPath(visitor.scene),
    body: UNIT,
    idempotencyKey,
    isAttempt: true,
  } as const;
  if (pass !== null) {
    const reply = await visitor.ask({ ...call, proof: "pass", headers: { "X-Pass": pass } });
    if (reply.reason === "pass_invalid") shopper.pass = null;
    return reply;
  }
  const headers = clearance === null ? {} : { headers: { "X-Clearance": clearance } };
  return await visitor.ask({ ...call, proof: "signature", ...headers });
}

/** The reservation that an answer to an attempt says is his; null when it says no such thing. */
export function wonIn(reply: Reply): string | null {
  const { rid } = reply.document;
  return reply.status === CREATED || reply.status === QUEUED ? String(rid) : null;
}

/** Checkout and the provider's page. True when the provider took the money. */
export async function pay(shopper: Shopper, rid: string): Promise<boolean> {
  const { visitor } = shopper;
  const checkout = await askPolitely(shopper, PATIENT, () =>
    visitor.ask({ method: "POST", path: `/v1/reservations/${rid}/checkout`, proof: "signature" }),
  );
  const url = checkout.document["checkoutUrl"];
  if (checkout.status !== CREATED || typeof url !== "string") return false;
  const page = new URL(url, `http://127.0.0.1:${visitor.scene.port}`);
  const press = { method: "POST", path: page.pathname + page.search, body: "action=pay" } as const;
  const paid = await askPolitely(shopper, PATIENT, () => visitor.ask({ ...press, headers: { "Content-Type": FORM } }));
  return paid.layer === "served";
}
