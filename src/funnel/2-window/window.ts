/**
 * Stage 2, window: does the sale exist, and is it open by the server's clock?
 *
 * "paused" and "closed" are not final here: whoever holds units of the item may be repeating an accepted attempt, and
 * its answer is owed whatever the operator did since. So they are remembered, and the funnel gives them at the next
 * place where the attempt would end. A sale with tiers is open here from its first tier on; stage 6, which knows the
 * buyer, holds everybody else back. The ledger checks the window once more, by the database's clock.
 */
import type { Refusal } from "../../domain/refusals.ts";
import { firstOpensAt, type Sale, saleStateAt } from "../../domain/sale.ts";
import { plainRefusal } from "../refusal-answers.ts";

/** After this, a repeat of an accepted attempt is told "closed" as well; the order itself stays readable. */
export const REPEATS_AFTER_CLOSE_MS = 600_000;

/**
 * What the window says. "ended" is a refusal at once; "pending" is one that a holder's repeat may still get past.
 */
export type WindowState =
  | { readonly kind: "open" }
  | { readonly kind: "ended"; readonly refusal: Refusal }
  | { readonly kind: "pending"; readonly refusal: Refusal };

const OPEN: WindowState = { kind: "open" };
const CLOSED: WindowState = { kind: "ended", refusal: plainRefusal("closed") };
const CLOSED_PENDING: WindowState = { kind: "pending", refusal: plainRefusal("closed") };
const PAUSED_PENDING: WindowState = { kind: "pending", refusal: plainRefusal("paused") };

/** Early birds come by thousands in the same millisecond: they share one answer. */
const lastNotOpen: { opensAt: number; nowMs: number; state: WindowState } = {
  opensAt: Number.NaN,
  nowMs: Number.NaN,
  state: OPEN,
};

/** `not_open`, with what a countdown needs. */
export function notOpenRefusal(opensAt: number, nowMs: number): Refusal {
  return {
    reason: "not_open",
    retryAfterMs: Math.max(1, opensAt - nowMs),
    extra: { opensAt, serverNow: nowMs },
  };
}

/** Judges the sale's window at an instant of the server's wall clock. */
export function judgeWindow(sale: Sale, nowMs: number): WindowState {
  switch (saleStateAt(sale, nowMs, firstOpensAt(sale))) {
    case "open":
      return OPEN;
    case "scheduled":
      if (lastNotOpen.nowMs !== nowMs || lastNotOpen.opensAt !== sale.opensAt) {
        lastNotOpen.nowMs = nowMs;
        lastNotOpen.opensAt = sale.opensAt;
        lastNotOpen.state = { kind: "ended", refusal: notOpenRefusal(sale.opensAt, nowMs) };
      }
      return lastNotOpen.state;
    case "paused":
      return PAUSED_PENDING;
    case "closed":
      return isOverAt(sale, nowMs) ? CLOSED : CLOSED_PENDING;
  }
}

/** True when the sale ended, by hand or by its schedule, so long ago that nobody is let past its window any more. */
export function isOverAt(sale: Sale, nowMs: number): boolean {
  const closedAtMs = Math.min(sale.closedAt ?? Number.POSITIVE_INFINITY, sale.closesAt);
  return nowMs - closedAtMs >= REPEATS_AFTER_CLOSE_MS;
}
