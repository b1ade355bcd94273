/**
 * Refusals as finished answers: RFC 9457 documents, built once at start for every reason that needs no facts.
 *
 * On sale day this is 99 % of what the process says, so a plain refusal is one frozen object looked up by identity and
 * costs neither serialising nor allocating. Refusals with facts of their own (an opening time, a wait) are rendered
 * per request; waits are rounded up to steps so that those, too, mostly come from a small cache. A wait that was computed
 * is told exactly; advice from the table is spread by half in both directions, answer by answer, because a crowd that
 * returns in step is a second stampede.
 */
import { REFUSALS, type Refusal, type RefusalFact, type RefusalReason, refusalRow } from "../domain/refusals.ts";
import type { HotAnswer } from "./request.ts";

/** Where each reason is explained; the reason is the fragment. */
export const ERROR_DOCS_URL = "https://doorbuster.dev/errors";

/** Waits are told in steps of this: nobody needs them finer, and equal ones share one prepared answer. */
export const WAIT_STEP_MS = 50;

const PREPARED_MAX = 2_048;
const MS_PER_S = 1_000;

/** Reasons after which the connection ends: the body was not read, or this node is going away. */
const CLOSING: ReadonlySet<RefusalReason> = new Set(["payload_too_large", "draining"]);
const CLOSE = { connection: "close" };

/** Members of the problem document, in the order in which they are written. */
export function problemOf(refusal: Refusal): Record<string, RefusalFact> {
  const row = refusalRow(refusal.reason);
  const stage = refusal.stage ?? row.stage;
  const retryAfterMs = refusal.retryAfterMs ?? row.retryAfterMs;
  return {
    type: `${ERROR_DOCS_URL}#${refusal.reason}`,
    title: row.title,
    status: row.status,
    reason: refusal.reason,
    ...(stage === "none" ? {} : { stage }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...refusal.extra,
  };
}

/** Headers of a refusal: never cached, `Retry-After` in whole seconds rounded up. */
export function refusalHeaders(refusal: Refusal): Record<string, string> {
  const retryAfterMs = refusal.retryAfterMs ?? refusalRow(refusal.reason).retryAfterMs;
  return {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...(retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / MS_PER_S)) }),
    ...(CLOSING.has(refusal.reason) ? CLOSE : {}),
  };
}

function render(refusal: Refusal, extraHeaders: Record<string, string> = {}): HotAnswer {
  return Object.freeze({
    status: refusalRow(refusal.reason).status,
    headers: Object.freeze({ ...refusalHeaders(refusal), ...extraHeaders }),
    body: JSON.stringify(problemOf(refusal)),
  });
}

/** Shares of a second's advice that follow each other far apart: sixteen steps in bit-reversed order, 0.53 to 1.47. */
const SPREAD = Array.from({ length: 16 }, (_, step) => {
  const reversed = ((step & 1) << 3) | ((step & 2) << 1) | ((step & 4) >> 1) | ((step & 8) >> 3);
  return 0.5 + (reversed + 0.5) / 16;
});

let turn = 0;

function nextTurn(): number {
  turn = (turn + 1) % SPREAD.length;
  return turn;
}

function spreadMs(adviceMs: number, step: number): number {
  return Math.round(adviceMs * (SPREAD[step] ?? 1));
}

/** Each refusal with its answers: one, or as many as there are steps of {@link SPREAD}. */
const prepared = new Map<Refusal, readonly HotAnswer[]>();

/** Builds a refusal that will be given often, together with its answer. Call it at start, not per request. */
export function prepareRefusal(refusal: Refusal): Refusal {
  const adviceMs = refusalRow(refusal.reason).retryAfterMs;
  if (refusal.retryAfterMs === undefined && adviceMs !== undefined) return prepareSpread(refusal, adviceMs);
  const frozen = Object.freeze({ ...refusal });
  prepared.set(frozen, [render(frozen)]);
  return frozen;
}

/** The same for a refusal whose wait is advice and no promise: it is spread like the advice of the table. */
export function prepareSpreadRefusal(refusal: Refusal & { readonly retryAfterMs: number }): Refusal {
  return prepareSpread(refusal, refusal.retryAfterMs);
}

function prepareSpread(refusal: Refusal, adviceMs: number): Refusal {
  const frozen = Object.freeze({ ...refusal });
  prepared.set(
    frozen,
    SPREAD.map((_, step) => render({ ...refusal, retryAfterMs: spreadMs(adviceMs, step) })),
  );
  return frozen;
}

/** The same for a refusal after which the connection is of no use: its body never came. */
export function prepareClosingRefusal(refusal: Refusal): Refusal {
  const frozen = Object.freeze({ ...refusal });
  prepared.set(frozen, [render(frozen, CLOSE)]);
  return frozen;
}

const PLAIN = Object.fromEntries(
  (Object.keys(REFUSALS) as RefusalReason[]).map((reason) => [reason, prepareRefusal({ reason })]),
) as Record<RefusalReason, Refusal>;

/** The one refusal of this reason that carries no facts of its own. */
export function plainRefusal(reason: RefusalReason): Refusal {
  return PLAIN[reason];
}

const FROM_RESERVE: Record<"empty" | "sold_out", Refusal> = {
  empty: prepareRefusal({ reason: "empty", stage: "reserve" }),
  sold_out: prepareRefusal({ reason: "sold_out", stage: "reserve" }),
};

/** Of more units than this being left, an answer is made anew each time. */
const LEFT_PREPARED_MAX = 32;
const fewerLeft: Refusal[] = [];

/**
 * "Empty" to somebody who asked for more than there were: how many he could have had in that instant. The title is not the
 * reason's own, which would say that all are taken.
 */
export function fewerLeftRefusal(left: number): Refusal {
  const known = fewerLeft[left];
  if (known !== undefined) return known;
  const extra = {
    title: "Fewer are left than you asked for.",
    detail: `Ask for ${left === 1 ? "1" : `${left} or fewer`}; unpaid ones may come back.`,
    left,
  };
  const refusal: Refusal = { reason: "empty", stage: "reserve", extra };
  if (left > LEFT_PREPARED_MAX) return refusal;
  const prepared = prepareRefusal(refusal);
  fewerLeft[left] = prepared;
  return prepared;
}

/** A refusal by the ledger itself: stock reasons say that they come from stage reserve. */
export function ledgerRefusal(reason: RefusalReason): Refusal {
  return reason === "empty" || reason === "sold_out" ? FROM_RESERVE[reason] : PLAIN[reason];
}

const waits = new Map<string, Refusal>();

/** A refusal with a wait, rounded up to {@link WAIT_STEP_MS}. */
export function refusalWithWait(reason: RefusalReason, waitMs: number): Refusal {
  const retryAfterMs = Math.max(WAIT_STEP_MS, Math.ceil(waitMs / WAIT_STEP_MS) * WAIT_STEP_MS);
  const name = `${reason} ${retryAfterMs}`;
  const known = waits.get(name);
  if (known !== undefined) return known;
  if (waits.size >= PREPARED_MAX) return { reason, retryAfterMs };
  const refusal = prepareRefusal({ reason, retryAfterMs });
  waits.set(name, refusal);
  return refusal;
}

/** A malformed request, with a sentence for whoever wrote the client. The text must not repeat what was sent. */
export function malformed(detail: string): Refusal {
  return { reason: "malformed", extra: { detail } };
}

/** The complete answer to a refusal. */
export function answerRefusal(refusal: Refusal): HotAnswer {
  const answers = prepared.get(refusal);
  if (answers !== undefined) return (answers.length === 1 ? answers[0] : answers[nextTurn()]) ?? render(refusal);
  const adviceMs = refusalRow(refusal.reason).retryAfterMs;
  if (refusal.retryAfterMs !== undefined || adviceMs === undefined) return render(refusal);
  return render({ ...refusal, retryAfterMs: spreadMs(adviceMs, nextTurn()) });
}
