/**
 * What one item's button goes through after it was pressed, as a pure table of moves.
 *
 *            press               held/queued
 *   idle ───────────► sending ───────────────► won
 *    ▲                 │   ▲
 *    │ stop            │   │ ask (the time has come)
 *    │                 ▼   │
 *    └───────────── waiting          sending ──final no──► refused ──press──► sending
 *
 * sending: one request is out; another press changes nothing. waiting: a known "not now" or an unknown outcome; the same
 * key is sent again at `askAt`. An unknown outcome stays unknown until the ledger itself has spoken about this key, so
 * it can neither be stopped nor replaced by a new key: that is what makes "you will not buy twice" true.
 */
import type { Problem } from "../../client/contract.ts";

/** One wish to buy. The key is made at the first press and kept for every repetition. */
export interface Attempt {
  readonly key: string;
  readonly quantity: number;
  /** Requests that were sent and answered (or lost) so far. */
  readonly tries: number;
  /** True once a request may have been accepted without us hearing of it. */
  readonly unknown: boolean;
  /** The buyer wants us to keep asking when everything is taken. */
  readonly patient: boolean;
}

/** Why we ask again. */
export type WaitCause = "unknown" | "empty" | "too-fast" | "cooling" | "busy" | "early" | "offline";

export type Purchase =
  | { readonly kind: "idle" }
  | { readonly kind: "sending"; readonly attempt: Attempt }
  | { readonly kind: "waiting"; readonly attempt: Attempt; readonly cause: WaitCause; readonly askAt: number }
  | { readonly kind: "refused"; readonly reason: string; readonly title: string; readonly left: number | null }
  | { readonly kind: "won"; readonly rid: string };

/** What one request came back with; "lost" = no answer at all. */
export type Answer =
  | { readonly kind: "accepted"; readonly rid: string }
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly title: string;
      readonly retryAfterMs: number | null;
      /** How many of fewer could have been had, where the server says so. */
      readonly left: number | null;
    }
  | { readonly kind: "lost" };

export type PurchaseEvent =
  | { readonly kind: "press"; readonly key: string; readonly quantity: number; readonly patient: boolean }
  | { readonly kind: "ask" }
  | { readonly kind: "stop" }
  /** `now` in milliseconds of any clock that `askAt` is compared with; `chance` between 0 and 1 spreads the crowd. */
  | { readonly kind: "answer"; readonly answer: Answer; readonly now: number; readonly chance: number };

/** Known refusals by a crowded server are repeated this often before the buyer is asked to press again. */
export const TRIES_MAX = 8;
const FIRST_DELAY_MS = 1_000;
const DELAY_MS_MAX = 30_000;
/** While everything is taken we ask no more often than this, however soon the server would allow it. */
const PATIENT_DELAY_MS = 4_000;
/** Before the gate opened by the server's clock: at least this long until the next knock. */
const EARLY_DELAY_MS_MIN = 100;
/** A repetition comes up to this part later than it could, so that a crowd does not return in step. */
const SPREAD = 0.5;

/**
 * Reasons that mean "ask again by yourself", and why. "unreadable" is a proxy's answer in the server's place; "offline" and
 * "cool_down" are our own words: a request that could not even be sent, and a wait for a hold that was left unpaid.
 */
const WAIT_CAUSES: Readonly<Record<string, WaitCause>> = {
  unreadable: "unknown",
  unavailable: "unknown",
  internal: "unknown",
  empty: "empty",
  throttled: "too-fast",
  cool_down: "cooling",
  busy: "busy",
  draining: "busy",
  not_open: "early",
  offline: "offline",
};

export const IDLE: Purchase = { kind: "idle" };

/** A refusal's problem document as an answer; how many of fewer there were stands in it. */
export function refusalOf(problem: Problem): Answer & { readonly kind: "refused" } {
  const { title, retryAfterMs = null, left } = problem;
  const reason = problem["rule"] === "cool_down" ? "cool_down" : problem.reason;
  return { kind: "refused", reason, title, retryAfterMs, left: typeof left === "number" && left > 0 ? left : null };
}

/** The state after an event. An event that means nothing in a state leaves it as it is. */
export function nextPurchase(purchase: Purchase, event: PurchaseEvent): Purchase {
  switch (event.kind) {
    case "press": {
      if (purchase.kind === "sending") return purchase;
      if (purchase.kind === "waiting") return { kind: "sending", attempt: purchase.attempt };
      const { key, quantity, patient } = event;
      return { kind: "sending", attempt: { key, quantity, patient, tries: 0, unknown: false } };
    }
    case "ask":
      return purchase.kind === "waiting" ? { kind: "sending", attempt: purchase.attempt } : purchase;
    case "stop":
      return purchase.kind === "waiting" && !purchase.attempt.unknown ? IDLE : purchase;
    case "answer":
      return purchase.kind === "sending" ? afterAnswer(purchase.attempt, event) : purchase;
  }
}

function afterAnswer(attempt: Attempt, event: PurchaseEvent & { kind: "answer" }): Purchase {
  const { answer } = event;
  if (answer.kind === "accepted") return { kind: "won", rid: answer.rid };
  const cause = answer.kind === "lost" ? "unknown" : (WAIT_CAUSES[answer.reason] ?? null);
  // "All taken" is the ledger's word about this key, so it settles an unknown outcome; a throttle's or a shed's is not.
  const unknown = cause === "unknown" || (attempt.unknown && cause !== null && cause !== "empty");
  const tried: Attempt = { ...attempt, tries: attempt.tries + 1, unknown };
  // Who waits for three while there are two would want to know.
  const isShort = answer.kind === "refused" && answer.left !== null;
  const isOver = cause === "empty" ? isShort || !attempt.patient : !unknown && tried.tries >= TRIES_MAX;
  if (answer.kind === "refused" && (cause === null || isOver)) {
    return { kind: "refused", reason: answer.reason, title: answer.title, left: answer.left };
  }
  const retryAfterMs = answer.kind === "refused" ? (answer.retryAfterMs ?? 0) : 0;
  const askAt =
    event.now + delayMs({ cause: cause ?? "unknown", tries: tried.tries, retryAfterMs, chance: event.chance });
  return { kind: "waiting", attempt: tried, cause: unknown ? "unknown" : (cause ?? "unknown"), askAt };
}

function delayMs(wait: { cause: WaitCause; tries: number; retryAfterMs: number; chance: number }): number {
  // The gate's own instant needs no spreading: the server knows the crowd of T0 and sheds it.
  if (wait.cause === "early") return Math.max(wait.retryAfterMs, EARLY_DELAY_MS_MIN);
  // A wait of one's own: nobody else comes back at that instant.
  if (wait.cause === "cooling") return wait.retryAfterMs + FIRST_DELAY_MS * wait.chance;
  const growingMs = Math.min(FIRST_DELAY_MS * 2 ** (wait.tries - 1), DELAY_MS_MAX);
  const leastMs = wait.cause === "empty" ? PATIENT_DELAY_MS : growingMs;
  return Math.max(leastMs, wait.retryAfterMs) * (1 + SPREAD * wait.chance);
}
