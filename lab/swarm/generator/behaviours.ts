/**
 * What a buyer does after an answer: come again when told to, pay, give back, or go home.
 *
 * Pure: from an errand and its answer follows the next errand or none. The hostile do nothing after an answer; they are deaf.
 * Money is only moved where the shop's own payment sandbox sits on the host that is being tried: a real provider's page is
 * never touched.
 */

import { isAccepted, isTransient } from "./outcomes.ts";
import type { RangeMs } from "./scenario.ts";
import { chanceOf, type Errand } from "./stream.ts";

/** The sandbox's pages, on the shop's own host. */
const SANDBOX_PATH = /^\/sandbox-payments\/checkout\/[A-Za-z0-9_-]{1,64}$/;
/** What is queued can be paid once it is held; a buyer asks so often. */
const CHECKOUTS_MAX = 6;
const WAIT_MS_BY_DEFAULT = 1_000;
const WAIT_MS_MAX = 60_000;
/** Advice is spread a little more by everybody who follows it. */
const WAIT_SPREAD = 0.25;

/** An answer as far as behaviour depends on it. */
export interface Reply {
  readonly outcome: string;
  readonly status: number;
  /** Read only when it is needed. */
  retryAfterMs(): number | null;
  readonly body: string;
}

/** What comes after an answer. "decided" = the buyer knows; "undecided" = he goes home without an answer that is one. */
export type Next = { readonly errand: Errand } | "decided" | "undecided" | "nothing";

/** The next step of whoever was answered. Times after the opening. */
export function nextAfter(errand: Errand, reply: Reply, nowMs: number): Next {
  const { population } = errand.stream.plan;
  if (population.kind !== "buyer") return "nothing";
  switch (errand.kind) {
    case "look":
      return attempt(errand, nowMs + within(population.look?.thinkMs ?? [0, 0], chance(errand, "think")));
    case "attempt":
      return afterAttempt(errand, reply, { triesMax: population.triesMax, nowMs });
    case "checkout":
      return afterCheckout(errand, reply, nowMs);
    case "press":
    case "give back":
      return "nothing";
  }
}

/** What a buyer who was accepted does about it, or null. */
export function nextOfHolder(errand: Errand, rid: string, nowMs: number): Errand | null {
  const { population } = errand.stream.plan;
  if (population.kind !== "buyer") return null;
  const { pay, giveBack } = population;
  if (pay !== undefined && chance(errand, "pay") < pay.share) {
    const dueMs = nowMs + within(pay.thinkMs, chance(errand, "hesitate"));
    return { ...errand, kind: "checkout", tries: 0, dueMs, path: `/v1/reservations/${rid}/checkout` };
  }
  if (giveBack !== undefined && chance(errand, "giveBack") < giveBack.share) {
    const dueMs = nowMs + within(giveBack.thinkMs, chance(errand, "hesitate"));
    return { ...errand, kind: "give back", tries: 0, dueMs, path: `/v1/reservations/${rid}` };
  }
  return null;
}

/** The reservation that an accepting answer names, or null. */
export function ridIn(body: string): string | null {
  return /"rid":"([A-Za-z0-9_-]{1,64})"/.exec(body)?.[1] ?? null;
}

function afterAttempt(errand: Errand, reply: Reply, { triesMax, nowMs }: { triesMax: number; nowMs: number }): Next {
  if (isAccepted(reply.outcome) || !isTransient(reply.outcome)) return "decided";
  if (errand.tries + 1 >= triesMax) return "undecided";
  const advisedMs = Math.min(WAIT_MS_MAX, reply.retryAfterMs() ?? WAIT_MS_BY_DEFAULT);
  return attempt(
    { ...errand, tries: errand.tries + 1 },
    nowMs + advisedMs * (1 + WAIT_SPREAD * chance(errand, "think")),
  );
}

function attempt(errand: Errand, dueMs: number): Next {
  return { errand: { ...errand, kind: "attempt", dueMs } };
}

function afterCheckout(errand: Errand, reply: Reply, nowMs: number): Next {
  const isNotNow = reply.status >= 500 && errand.tries + 1 < CHECKOUTS_MAX;
  if (isNotNow) {
    const dueMs = nowMs + Math.min(WAIT_MS_MAX, reply.retryAfterMs() ?? WAIT_MS_BY_DEFAULT);
    return { errand: { ...errand, tries: errand.tries + 1, dueMs } };
  }
  if (reply.status !== 201) return "nothing";
  const url = /"checkoutUrl":"([^"]+)"/.exec(reply.body)?.[1] ?? "";
  const path = URL.canParse(url) ? new URL(url).pathname : "";
  return SANDBOX_PATH.test(path) ? { errand: { ...errand, kind: "press", dueMs: nowMs, path } } : "nothing";
}

function within([low, high]: RangeMs, share: number): number {
  return low + (high - low) * share;
}

function chance(errand: Errand, question: Parameters<typeof chanceOf>[1]): number {
  return chanceOf(errand.stream.globalOf(errand.arrival) + errand.tries * 7_919, question);
}
