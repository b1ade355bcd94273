/**
 * How many attempts may be on their way to the ledger at once: additive increase, multiplicative decrease on latency.
 *
 * A fixed number is wrong on every machine but one. The batcher tells how long its slowest attempt of a flush took; as
 * long as that stays under the target the limit grows while it is being used, above it the limit shrinks. The floor is
 * two full batches, because with fewer the ledger would not even be busy; the ceiling bounds memory.
 */

/** Two full batches: fewer would only make batches smaller, not the ledger faster. */
export const CONCURRENCY_MIN = 512;
export const CONCURRENCY_MAX = 8_192;
export const CONCURRENCY_AT_START = 2_048;
/** An attempt should have its answer within this; buyers are promised 250 ms at p99. */
export const LATENCY_TARGET_MS = 150;

const DECREASE_FACTOR = 0.8;
/** One decrease per this time: the effect of the last one must be visible before the next. */
const DECREASE_INTERVAL_MS = 100;
const INCREASE_STEP = 32;

/** What one flush taught. */
export interface LatencySample {
  /** From the arrival of the flush's oldest attempt to its answer. */
  readonly latencyMs: number;
  readonly inFlight: number;
  /** Monotonic. */
  readonly nowMs: number;
}

/** The limit itself; read at each attempt, corrected at each flush. */
export class ConcurrencyLimit {
  #limit = CONCURRENCY_AT_START;
  #decreasedAtMs = Number.NEGATIVE_INFINITY;

  /** Attempts that may be in flight now. */
  get limit(): number {
    return this.#limit;
  }

  observe(sample: LatencySample): void {
    if (sample.latencyMs > LATENCY_TARGET_MS) {
      if (sample.nowMs - this.#decreasedAtMs < DECREASE_INTERVAL_MS) return;
      this.#decreasedAtMs = sample.nowMs;
      this.#limit = Math.max(CONCURRENCY_MIN, Math.floor(this.#limit * DECREASE_FACTOR));
    } else if (sample.inFlight * 2 >= this.#limit) {
      this.#limit = Math.min(CONCURRENCY_MAX, this.#limit + INCREASE_STEP);
    }
  }
}
