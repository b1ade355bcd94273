/**
 * THE table of refusals: every expected "no", with its status, its stage and what a buyer may read.
 *
 * A refusal is a value, never an exception: on sale day it is 99 % of all answers. docs/errors.md is generated from
 * this table and a tidy test holds them equal. World failures are in faults.ts.
 */

/** The seven stages in order, and "none" for what belongs to no stage. Also metric labels and docs headings. */
export const STAGES = ["shed", "window", "identity", "throttle", "sold-out", "admission", "reserve"] as const;
export type Stage = (typeof STAGES)[number];

/** When asking again can help: never, after a while, or again with the same key because the outcome is unknown. */
export type RetryAdvice = "never" | "later" | "same-key";

interface RefusalRow {
  readonly stage: Stage | "none";
  readonly status: number;
  /** Text a buyer may read. */
  readonly title: string;
  readonly retry: RetryAdvice;
  /** Advice in milliseconds where the stage computes no better one. */
  readonly retryAfterMs?: number;
}

export const REFUSALS = {
  busy: {
    stage: "shed",
    status: 503,
    title: "Very many people are here right now. Please try again in a moment.",
    retry: "later",
    retryAfterMs: 1_000,
  },
  draining: {
    stage: "shed",
    status: 503,
    title: "This server is restarting. Please try again.",
    retry: "later",
    retryAfterMs: 1_000,
  },
  payload_too_large: { stage: "shed", status: 413, title: "The request is too large.", retry: "never" },
  malformed: { stage: "shed", status: 400, title: "The request is not in the expected form.", retry: "never" },
  no_such_sale: { stage: "window", status: 404, title: "There is no such sale.", retry: "never" },
  no_such_item: { stage: "window", status: 404, title: "This sale has no such item.", retry: "never" },
  not_open: { stage: "window", status: 425, title: "The sale has not opened yet.", retry: "later" },
  paused: {
    stage: "window",
    status: 503,
    title: "The sale is paused. Nothing is lost; please wait.",
    retry: "later",
    retryAfterMs: 5_000,
  },
  closed: { stage: "window", status: 410, title: "The sale is over.", retry: "never" },
  session_missing: { stage: "identity", status: 401, title: "Please start a session first.", retry: "never" },
  session_invalid: { stage: "identity", status: 401, title: "Your session is not valid.", retry: "never" },
  session_expired: { stage: "identity", status: 401, title: "Your session has expired.", retry: "never" },
  signature_missing: { stage: "identity", status: 401, title: "The request is not signed.", retry: "never" },
  signature_invalid: { stage: "identity", status: 401, title: "The request's signature is not valid.", retry: "never" },
  signature_stale: {
    stage: "identity",
    status: 401,
    title: "The request's time differs too much from ours.",
    retry: "never",
  },
  signature_replayed: { stage: "identity", status: 401, title: "The request was already used.", retry: "never" },
  pass_invalid: {
    stage: "identity",
    status: 401,
    title: "This pass is not valid for this, or not any more.",
    retry: "never",
  },
  throttled: {
    stage: "throttle",
    status: 429,
    title: "That was too fast. Please wait a moment.",
    retry: "later",
    retryAfterMs: 1_000,
  },
  banned: { stage: "throttle", status: 403, title: "Access to this sale has been withdrawn.", retry: "never" },
  sold_out: { stage: "sold-out", status: 409, title: "Sold out.", retry: "never" },
  empty: {
    stage: "sold-out",
    status: 409,
    title: "All taken for now. Unpaid ones may come back.",
    retry: "later",
    retryAfterMs: 2_000,
  },
  not_eligible: { stage: "admission", status: 403, title: "This sale is not open to your account.", retry: "never" },
  pass_required: { stage: "admission", status: 403, title: "Please join the waiting room first.", retry: "never" },
  challenge_required: { stage: "admission", status: 428, title: "Please solve the challenge first.", retry: "never" },
  challenge_failed: { stage: "admission", status: 403, title: "The challenge was not solved.", retry: "never" },
  limit_reached: { stage: "reserve", status: 409, title: "You already have as many as allowed.", retry: "never" },
  bad_quantity: { stage: "reserve", status: 400, title: "That quantity is not allowed.", retry: "never" },
  key_reused: {
    stage: "reserve",
    status: 422,
    title: "This key was used for a different request.",
    retry: "never",
  },
  ended: { stage: "reserve", status: 409, title: "That reservation has ended. Please start again.", retry: "never" },
  unavailable: {
    stage: "reserve",
    status: 503,
    title: "We could not find out whether it worked. Please try again; you will not buy twice.",
    retry: "same-key",
    retryAfterMs: 1_000,
  },
  internal: { stage: "none", status: 500, title: "Something went wrong on our side.", retry: "same-key" },
} as const satisfies Record<string, RefusalRow>;

export type RefusalReason = keyof typeof REFUSALS;

/** A value of a problem document: what JSON can carry. */
export type RefusalFact =
  | string
  | number
  | boolean
  | null
  | readonly RefusalFact[]
  | { readonly [member: string]: RefusalFact };

/** A refusal on its way to the buyer: the reason and the facts that only this request knows. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** Where the request ended, when that is not the table's stage ("sold_out" from the ledger itself). */
  readonly stage?: Stage;
  readonly retryAfterMs?: number;
  /** Extra members of the problem document: `opensAt`, `serverNow`, `rule`, `detail`, `challenge`. */
  readonly extra?: Readonly<Record<string, RefusalFact>>;
}

/** The row of a reason. */
export function refusalRow(reason: RefusalReason): RefusalRow {
  return REFUSALS[reason];
}
