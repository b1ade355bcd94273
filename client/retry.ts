/**
 * When an attempt is worth sending again, and after how long.
 *
 * Only answers whose outcome is open or that say "later" are repeated, always with the same idempotency key. Waits are
 * spread by chance and never shorter than the server asked for: a crowd that returns in step is a second stampede. How
 * much is repeated has a budget besides: whoever has used it up waits until a retry is his again.
 */
import type { Problem } from "./contract.ts";

/** Reasons after which the same attempt may succeed. "paused", "empty" and "not_open" are the page's to explain. */
const RETRIED: ReadonlySet<string> = new Set(["busy", "draining", "throttled", "unavailable", "internal"]);
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 8_000;
const SPREAD = 0.5;
const HTTP_SERVER_ERROR = 500;

/** One retry for ten attempts, and one every two seconds; a few may be saved up for a short disturbance. */
export const RETRY_BUDGET = { perTry: 0.1, perS: 0.5, savedMax: 10 };

/** Whether the attempt should be sent again by itself. Unreadable 5xx answers come from proxies: outcome unknown. */
export function isWorthRetrying(problem: Problem): boolean {
  if (problem.reason === "unreadable") return problem.status >= HTTP_SERVER_ERROR;
  return RETRIED.has(problem.reason);
}

/** The wait before try number `attempt` + 1 (the first is 1), in milliseconds. */
export function waitBeforeRetryMs(retry: { attempt: number; problem: Problem | null; random: number }): number {
  const asked = retry.problem?.retryAfterMs;
  if (asked !== undefined) return Math.ceil(asked * (1 + SPREAD * retry.random));
  const backoff = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (retry.attempt - 1));
  return Math.ceil(backoff * (1 - SPREAD + SPREAD * retry.random));
}
