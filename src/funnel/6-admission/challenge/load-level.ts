/**
 * How crowded a node is, as a level from 0 (quiet) upwards, for deciding whether an adaptive sale asks and how hard.
 *
 * Two signs, of which the worse counts: attempts per second that got past the latch, against what the node is set to take
 * for ordinary, and how full the way to the ledger is. The level rises at once, because a crowd comes at once; it falls
 * only after half a minute below it, so that it does not flap between two answers to the same crowd.
 */

/** A level stays this long after it was last reached. */
export const LEVEL_DWELL_MS = 30_000;
/** One more than this would make a proof of work take minutes. */
export const LEVEL_MAX = 6;

const WINDOW_MS = 250;
const MS_PER_S = 1_000;
/** From these parts of the concurrency limit on, in flight, the level is one higher each. */
const FULLNESS_STEPS = [0.5, 0.7, 0.85, 0.95];

/** One per process; all times monotonic. */
export class LoadLevel {
  readonly #perWindow: number;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #inWindow = 0;
  #inLastWindow = 0;
  #level = 0;
  #reachedAtMs = Number.NEGATIVE_INFINITY;
  /** The highest level below the present one since that was last reached: where it falls to. */
  #nextLevel = 0;

  /** `ordinaryPerS`: attempts per second that are no crowd yet. */
  constructor(options: { ordinaryPerS: number }) {
    this.#perWindow = (options.ordinaryPerS * WINDOW_MS) / MS_PER_S;
  }

  /** Counts one attempt and says the level. `fullness`: attempts in flight as a part of the most there may be. */
  note(attempt: { nowMs: number; fullness: number }): number {
    this.#turn(attempt.nowMs);
    this.#inWindow += 1;
    return this.#settle(attempt);
  }

  /** The level without an attempt. */
  read(now: { nowMs: number; fullness: number }): number {
    this.#turn(now.nowMs);
    return this.#settle(now);
  }

  #settle({ nowMs, fullness }: { nowMs: number; fullness: number }): number {
    const seen = Math.min(LEVEL_MAX, Math.max(this.#levelOfRate(), levelOfFullness(fullness)));
    if (seen >= this.#level) {
      this.#level = seen;
      this.#reachedAtMs = nowMs;
      this.#nextLevel = 0;
    } else if (nowMs - this.#reachedAtMs >= LEVEL_DWELL_MS) {
      this.#level = Math.max(seen, this.#nextLevel);
      this.#reachedAtMs = nowMs;
      this.#nextLevel = 0;
    } else {
      this.#nextLevel = Math.max(this.#nextLevel, seen);
    }
    return this.#level;
  }

  /** 0 below the ordinary rate, then one more for each doubling. */
  #levelOfRate(): number {
    const times = Math.max(this.#inWindow, this.#inLastWindow) / this.#perWindow;
    return times <= 1 ? 0 : 1 + Math.floor(Math.log2(times));
  }

  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#windowStartMs;
    if (ageMs < WINDOW_MS) return;
    this.#inLastWindow = ageMs < 2 * WINDOW_MS ? this.#inWindow : 0;
    this.#inWindow = 0;
    this.#windowStartMs = nowMs;
  }
}

function levelOfFullness(fullness: number): number {
  let level = 0;
  for (const step of FULLNESS_STEPS) if (fullness >= step) level += 1;
  return level;
}
