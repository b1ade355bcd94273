/**
 * A retry budget: what is sent again stays a small share of what is sent.
 *
 * Retries keep an overload alive that caused them. Each first try earns a fraction of a retry, each retry spends a whole
 * one, and what is saved is bounded; a trickle over time lets somebody who sends little ask again politely. Whoever finds
 * the budget empty waits for it or goes without. The instant comes from the caller.
 */

export interface RetryBudgetLimits {
  /** Retries that each first try earns: 0.1 = one in ten. */
  readonly perTry: number;
  /** Retries that come with time, per second. */
  readonly perS: number;
  /** Retries that may be saved up; it begins with as many. */
  readonly savedMax: number;
}

const MS_PER_S = 1_000;

/** See the head of this file. Times are monotonic. */
export class RetryBudget {
  readonly #limits: RetryBudgetLimits;
  #saved: number;
  #filledAtMs: number | null = null;

  constructor(limits: RetryBudgetLimits) {
    this.#limits = limits;
    this.#saved = limits.savedMax;
  }

  /** A first try is being sent. */
  earn(): void {
    this.#saved = Math.min(this.#limits.savedMax, this.#saved + this.#limits.perTry);
  }

  /** Spends one retry; false when there is none. */
  spend(nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }

  /**
   * Spends one retry that is waited for, whether it is there yet or not: whoever asks next waits longer. Ask
   * {@link waitMs} first.
   */
  book(nowMs: number): void {
    this.#fill(nowMs);
    this.#saved -= 1;
  }

  /** How long until there is a whole retry if nobody else spends or earns one; 0 = now, Infinity = never by waiting. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    if (this.#saved >= 1) return 0;
    return this.#limits.perS > 0
      ? Math.ceil(((1 - this.#saved) / this.#limits.perS) * MS_PER_S)
      : Number.POSITIVE_INFINITY;
  }

  #fill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - (this.#filledAtMs ?? nowMs));
    this.#filledAtMs = nowMs;
    this.#saved = Math.min(this.#limits.savedMax, this.#saved + (elapsedMs / MS_PER_S) * this.#limits.perS);
  }
}
