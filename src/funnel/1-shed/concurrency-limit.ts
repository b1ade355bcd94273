/**
 * How many attempts may be on their way to the ledger at once: a gradient between what an answer should take and takes.
 *
 * A fixed number is wrong on every machine but one. The limit is multiplied by how much too slow answers are, and given a
 * little room on top, so it settles where the ledger is busy and its queue is short. The reference is what the flights
 * themselves take now (a flight is outside our queue: at most two of an item are under way), between a floor and the
 * promised latency. A remembered average as the reference would drift along with the queue it should bound; the quietest
 * latency would compare a flight of one attempt with one of 256.
 *
 * One correction per answer time at most: the effect of the last one must be visible before the next.
 */

/** Half a batch in each of two flights: fewer would make batches smaller, not answers quicker. */
export const CONCURRENCY_MIN = 128;
export const CONCURRENCY_MAX = 8_192;
export const CONCURRENCY_AT_START = 1_024;
/** The oldest attempt of a flush should have its answer within this on average; buyers are promised 250 ms at p99. */
export const LATENCY_TARGET_MS = 120;
/** A queue that answers within this is no queue, however quick the flights are. */
export const REFERENCE_MS_MIN = 25;
/** Waiting for a flight and the flight itself take two flights on average where nobody queues; the rest is reserve. */
export const REFERENCE_FLIGHTS = 2.5;

/** What holds for another queue than the ledger's. */
export interface ConcurrencyBounds {
  readonly limitMin: number;
  readonly limitMax: number;
  readonly limitAtStart: number;
  readonly referenceMsMin: number;
  readonly latencyTargetMs: number;
}

const LEDGER_BOUNDS: ConcurrencyBounds = {
  limitMin: CONCURRENCY_MIN,
  limitMax: CONCURRENCY_MAX,
  limitAtStart: CONCURRENCY_AT_START,
  referenceMsMin: REFERENCE_MS_MIN,
  latencyTargetMs: LATENCY_TARGET_MS,
};

const CORRECTION_INTERVAL_MS_MIN = 50;
/** One slow answer never takes more than half. */
const GRADIENT_MIN = 0.5;
/** Room on top of the gradient, in square roots of the limit: grows from the floor to a thousand within a few seconds. */
const ROOM_ROOTS = 2;

/** What one flush taught. */
export interface LatencySample {
  /** From the arrival of the oldest attempt of the flush, or of one that still waits, to now. */
  readonly latencyMs: number;
  /** The part of it that was not spent in our queue; 0 = unknown. */
  readonly flightMs: number;
  /** How many attempts it answered: the flush of one must not outweigh that of 256. */
  readonly answers: number;
  readonly inFlight: number;
  /** Monotonic. */
  readonly nowMs: number;
}

/** The limit itself; read at each attempt, corrected after flushes. */
export class ConcurrencyLimit {
  readonly #bounds: ConcurrencyBounds;
  #limit: number;
  #correctAtMs = Number.NEGATIVE_INFINITY;
  #answers = 0;
  #latencySumMs = 0;
  #flightSumMs = 0;
  #inFlightPeak = 0;

  constructor(bounds: ConcurrencyBounds = LEDGER_BOUNDS) {
    this.#bounds = bounds;
    this.#limit = bounds.limitAtStart;
  }

  /** Attempts that may be in flight now. */
  get limit(): number {
    return this.#limit;
  }

  observe(sample: LatencySample): void {
    this.#answers += sample.answers;
    this.#latencySumMs += sample.latencyMs * sample.answers;
    this.#flightSumMs += sample.flightMs * sample.answers;
    this.#inFlightPeak = Math.max(this.#inFlightPeak, sample.inFlight);
    if (sample.nowMs < this.#correctAtMs) return;
    const latencyMs = this.#latencySumMs / this.#answers;
    this.#correct(latencyMs, this.#flightSumMs / this.#answers);
    this.#correctAtMs = sample.nowMs + Math.max(CORRECTION_INTERVAL_MS_MIN, latencyMs);
    this.#answers = 0;
    this.#latencySumMs = 0;
    this.#flightSumMs = 0;
    this.#inFlightPeak = 0;
  }

  #correct(latencyMs: number, flightMs: number): void {
    const { limitMin, limitMax, referenceMsMin, latencyTargetMs } = this.#bounds;
    const referenceMs = Math.min(latencyTargetMs, Math.max(referenceMsMin, REFERENCE_FLIGHTS * flightMs));
    const gradient = Math.max(GRADIENT_MIN, Math.min(1, referenceMs / latencyMs));
    // While nobody presses, quick answers say nothing about more of them.
    if (gradient === 1 && this.#inFlightPeak * 2 < this.#limit) return;
    const next = this.#limit * gradient + ROOM_ROOTS * Math.sqrt(this.#limit);
    this.#limit = Math.round(Math.min(limitMax, Math.max(limitMin, next)));
  }
}
