/**
 * Stage 1, shed: can this process take work at all?
 *
 * Decides from counters and a few headers, before anything is looked up: draining, not warm yet, event loop late, too
 * many attempts on their way to the ledger, a body announced as too large, no idempotency key. Header bytes are bounded
 * by the listener, body bytes again while reading.
 */
import { isIdempotencyKey } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import { malformed, plainRefusal, prepareClosingRefusal, prepareRefusal } from "../refusal-answers.ts";
import type { HotRequest } from "../request.ts";
import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import { EVENT_LOOP_DELAY_MS_MAX, type EventLoopDelay } from "./event-loop-delay.ts";
import type { Ramp } from "./ramp.ts";

/** The body of an attempt is `{ "quantity": n, "challenge"?: … }`. */
export const HOT_BODY_BYTES_MAX = 4_096;

/** Bodies being read at once: what slow senders can cost is this times the size of a body. */
export const BODIES_READ_MAX = 8_192;

const DIGITS = /^[0-9]+$/;

const NO_KEY = prepareRefusal(malformed("The Idempotency-Key header must be 8 to 64 visible ASCII characters."));
const BAD_LENGTH = prepareClosingRefusal(malformed("The Content-Length header must be a number."));

/** Counts what is in flight and says when it is enough. */
export class Shed {
  readonly #limit: ConcurrencyLimit;
  readonly #loopDelay: EventLoopDelay;
  readonly #ramp: Ramp;
  #inFlight = 0;
  #reading = 0;
  #confirming = 0;
  #isWarm = false;
  #isDraining = false;

  constructor(parts: { limit: ConcurrencyLimit; loopDelay: EventLoopDelay; ramp: Ramp }) {
    this.#limit = parts.limit;
    this.#loopDelay = parts.loopDelay;
    this.#ramp = parts.ramp;
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
    if (this.#isDraining) return "draining";
    return this.#isWarm && this.#loopDelay.delayMs <= EVENT_LOOP_DELAY_MS_MAX ? null : "busy";
  }

  /** The catalogue and the latches are loaded: "no such sale" and "sold out" are now true when said. */
  markWarm(): void {
    this.#isWarm = true;
    this.#ramp.begin();
  }

  /** From now on every attempt is refused as `draining`; those in flight finish. */
  drain(): void {
    this.#isDraining = true;
  }

  /** The refusal, or null when the process takes the attempt. */
  check(request: HotRequest): Refusal | null {
    if (this.#isDraining) return plainRefusal("draining");
    if (!this.#isWarm || this.#inFlight >= this.#limit.limit) return plainRefusal("busy");
    if (!this.#ramp.admits({ inFlight: this.#inFlight, limit: this.#limit.limit })) return plainRefusal("busy");
    if (this.#reading >= BODIES_READ_MAX) return plainRefusal("busy");
    if (this.#loopDelay.delayMs > EVENT_LOOP_DELAY_MS_MAX) return plainRefusal("busy");
    const contentLength = request.header("content-length");
    if (contentLength !== null) {
      if (!DIGITS.test(contentLength)) return BAD_LENGTH;
      if (Number(contentLength) > HOT_BODY_BYTES_MAX) return plainRefusal("payload_too_large");
    }
    return isIdempotencyKey(request.header("idempotency-key")) ? null : NO_KEY;
  }

  /** Around reading a body: slow senders are counted apart, so that they cannot use up the ledger's places. */
  beginRead(): void {
    this.#reading += 1;
  }

  endRead(): void {
    this.#reading -= 1;
  }

  /** Around waiting for the batcher. */
  enter(): void {
    this.#inFlight += 1;
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
