/**
 * What buyers report about the answers they got: the crowd's side of the evidence that judge.ts holds against the
 * database.
 *
 * Most answers are refusals and only counted; an observation is made of what the shop can be held to (an acceptance, a
 * payment), of what nobody knows (no answer), and of what must not be (a forgery's answer, an acceptance taken back).
 * They travel as JSON lines, so they stay flat and small.
 */
import type { Forgery, Population } from "./population.ts";

/** How a tampered request differed: a forger's ways, and a replayer's two. */
export type ForgedHow = Forgery | "captured_with_other_key" | "nonce_reused";

interface AttemptFacts {
  readonly population: Population;
  readonly buyerId: string;
  readonly sku: string;
  readonly idempotencyKey: string;
  readonly quantity: number;
}

/** The shop said: these units are yours. One observation for each such answer, retries included. */
export interface AcceptedObservation extends AttemptFacts {
  readonly kind: "accepted";
  /** As answered. */
  readonly rid: string;
  /** As it follows from buyer, sale and key. */
  readonly expectedRid: string;
  readonly answeredSku: string;
  readonly answeredQuantity: number;
  /** As answered: "queued" is accepted and not yet an order. */
  readonly answeredStatus: string;
  readonly isReplay: boolean;
  /** By the server's clock as the crowd knows it. */
  readonly answeredAtMs: number;
}

/** A request that may have been acted on without the buyer learning of it. */
export interface UnknownObservation extends AttemptFacts {
  readonly kind: "unknown";
  readonly rid: string;
}

/** A request that was not the session owner's as sent; `status` 0 = no answer. */
export interface ForgedObservation extends AttemptFacts {
  readonly kind: "forged";
  readonly how: ForgedHow;
  readonly rid: string;
  readonly status: number;
  readonly stage: string;
  readonly reason: string;
}

/** A key that was accepted was refused when it was sent again afterwards. */
export interface RetractedObservation extends AttemptFacts {
  readonly kind: "retracted";
  readonly rid: string;
  readonly stage: string;
  readonly reason: string;
  /** After the buyer had first heard that it was accepted. */
  readonly sinceAcceptedMs: number;
  /** By the server's clock as the crowd knows it. */
  readonly answeredAtMs: number;
  /** True while the buyer had only heard "queued". */
  readonly wasQueued: boolean;
}

/** What a buyer who had heard "queued" found when asking; "queued" = nothing, for as long as anybody would ask. */
export interface DecidedObservation {
  readonly kind: "decided";
  readonly rid: string;
  readonly status: string;
}

/** The payment provider took the buyer's money. */
export interface PaidObservation {
  readonly kind: "paid";
  readonly rid: string;
}

/** Somebody was told that the item is gone for good. One a process and item. */
export interface SoldOutObservation {
  readonly kind: "sold_out";
  readonly sku: string;
}

export type Observation =
  | AcceptedObservation
  | UnknownObservation
  | ForgedObservation
  | RetractedObservation
  | DecidedObservation
  | PaidObservation
  | SoldOutObservation;
