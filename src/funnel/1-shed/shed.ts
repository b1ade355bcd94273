/**
 * Stage 1, shed: can this process take work at all?
 *
 * Decides from counters and a few headers, before anything is looked up: draining, not warm yet, event loop late or memory
 * full (the ladder), too many attempts on their way to the ledger, a body announced as too large, no idempotency key.
 * Header bytes are bounded by the listener, body bytes again while reading. Other routes' share of this is route-guard.ts.
 */
import { isIdempotencyKey } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import { malformed, plainRefusal, prepareClosingRefusal, prepareRefusal } from "../refusal-answers.ts";
import type { HotRequest } from "../request.ts";
import type { BusyAdvice } from "./busy-advice.ts";
import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import type { Ladder } from "./ladder.ts";
import type { Ramp } from "./ramp.ts";

/** The body of an attempt is `{ "quantity": n, "challenge"?: … }`. */
export const HOT_BODY_BYTES_MAX = 4_096;

/** Bodies being read at once: what slow senders can cost is this times the size of a body. */
export const BODIES_READ_MAX = 8_192;

const DIGITS = /^[0-9]+$/;

const NO_KEY = prepareRefusal(malformed("The Idempotency-Key header must be 8 to 64 visible ASCII characters."));
const BAD_LENGTH = prepareClosingRefusal(malformed("The Content-Length header must be a number."));

export interface ShedParts {
  readonly limit: ConcurrencyLimit;
  readonly ladder: Ladder;
  readonly ramp: Ramp;
  readonly advice: BusyAdvice;
}

/** Counts what is in flight and says when it is enough. */
export class Shed {
  readonly #limit: ConcurrencyLimit;
  readonly #ladder: Ladder;
  readonly #ramp: Ramp;
  readonly #advice: BusyAdvice;
  #inFlight = 0;
  #reading = 0;
  #confirming = 0;
  #isWarm = false;
  #isLeaving = false;
  #isDraining = false;

  constructor(parts: ShedParts) {
    this.#limit = parts.limit;
    this.#ladder = parts.ladder;
    this.#ramp = parts.ramp;
    this.#advice = parts.advice;
  }

  /** Attempts between their arrival at the batcher and their answer. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Attempts past stage 6 without an answer yet. */
  get admitted(): number {
    return this.#reading + this.#inFlight + this.#confirming;
  }

  /** Why no work is taken, or null. One full moment of the concurrency limit does not count. */
  get readiness(): "draining" | "busy" | null {
    if (this.#isLeaving || this.#isDraining) return "draining";
    return this.#isWarm && this.#ladder.refusedShare("reserve") < 1 ? null : "busy";
  }

  /** The catalogue and the latches are loaded: "no such sale" and "sold out" are now true when said. */
  markWarm(): void {
    this.#isWarm = true;
    this.#ramp.begin();
  }

  /** The node will end soon: whoever asks whether it is ready hears so, attempts are still taken. */
  announceDrain(): void {
    this.#isLeaving = true;
  }

  /** From now on every attempt is refused as `draining`; those in flight finish. */
  drain(): void {
    this.#isDraining = true;
  }

  /** The refusal, or null when the process takes the attempt. */
  check(request: HotRequest): Refusal | null {
    if (this.#isDraining) return plainRefusal("draining");
    if (this.#isFull() || this.#ladder.refuses("reserve")) return this.#advice.refuse();
    const contentLength = request.header("content-length");
    if (contentLength !== null) {
      if (!DIGITS.test(contentLength)) return BAD_LENGTH;
      if (Number(contentLength) > HOT_BODY_BYTES_MAX) return plainRefusal("payload_too_large");
    }
    return isIdempotencyKey(request.header("idempotency-key")) ? null : NO_KEY;
  }

  /** An attempt that the batcher would not take, or gave up before it was sent: what its buyer hears. */
  refuseUnsent(): Refusal {
    return this.#advice.refuse();
  }

  #isFull(): boolean {
    return !this.#isWarm || this.#reading >= BODIES_READ_MAX || !this.#hasPlace();
  }

  #hasPlace(): boolean {
    const load = { inFlight: this.#inFlight, limit: this.#limit.limit };
    return load.inFlight < load.limit && this.#ramp.admits(load);
  }

  /** Around reading a body: slow senders are counted apart, so that they cannot use up the ledger's places. */
  beginRead(): void {
    this.#reading += 1;
  }

  endRead(): void {
    this.#reading -= 1;
  }

  /**
   * Around waiting for the batcher. False when the places were taken while the body was being read: many bodies may
   * come at once, and what is bounded is the ledger's queue. Then there is nothing to {@link leave}.
   */
  enter(): boolean {
    if (!this.#hasPlace()) return false;
    this.#advice.take();
    this.#inFlight += 1;
    return true;
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  /** Around waiting for the commit of what the ledger has accepted: nothing to bound, only to finish before the end. */
  beginConfirm(): void {
    this.#confirming += 1;
  }

  endConfirm(): void {
    this.#confirming -= 1;
  }
}
