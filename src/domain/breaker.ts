/**
 * A breaker: leaves a dependency alone that does not answer, asks it now and then, and comes back to it little by little.
 *
 * A pure state machine of a few comparisons: the instant and chance come from the caller, what counts as a failure is the
 * caller's word. The one thing to know: everybody who waited comes at once when a dependency is back, and pushes it over
 * again. So one call asks first, and what follows grows evenly from a small share to all; a few at once always pass, so that
 * where little is going on nobody notices a ramp.
 *
 * closed → open: too many failures in a row.
 * open → probing: the pause is over; exactly one call goes through.
 * probing → growing: it was answered. probing → open: it was not; the next pause is twice as long, up to a bound.
 * growing → closed: the ramp is over. growing → open: a failure.
 */

export interface BreakerLimits {
  /** Failures in a row that open it. */
  readonly failuresInRowMax: number;
  /** The first pause; later ones double, each spread by half in both directions. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
  /** How long it takes from the first answer until everybody may call again; 0 = at once. */
  readonly rampMs: number;
  /** The share of calls that the ramp begins with. */
  readonly rampFractionMin: number;
  /** Calls under way that always pass while the ramp lasts. */
  readonly rampCallsMin: number;
}

/** When something is asked or told. `chance` is uniform in [0, 1). */
export interface BreakerMoment {
  readonly nowMs: number;
  readonly chance: number;
}

export type BreakerState = "closed" | "open" | "probing" | "growing";

/** See the head of this file. Times are monotonic. */
export class Breaker {
  readonly #limits: BreakerLimits;
  #state: BreakerState = "closed";
  #failuresInRow = 0;
  #pausesInRow = 0;
  #underWay = 0;
  /** Of "open" and "probing": when the next call may ask. Of "growing": when the ramp began. */
  #atMs = 0;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Whether a call may be made now. Whoever makes it tells {@link succeeded} or {@link failed} how it ended. */
  admits(moment: BreakerMoment): boolean {
    if (!this.#mayCall(moment)) return false;
    this.#underWay += 1;
    return true;
  }

  #mayCall(moment: BreakerMoment): boolean {
    if (this.#state === "closed") return true;
    if (this.#state === "growing") return this.#growingAdmits(moment);
    if (moment.nowMs < this.#atMs) return false;
    // A probe that never tells its end is replaced by another after a pause.
    this.#state = "probing";
    this.#atMs = moment.nowMs + this.#limits.pauseMsMax;
    return true;
  }

  /** A call was answered, be it with a refusal: the dependency is there. */
  succeeded(nowMs: number): void {
    this.#underWay = Math.max(0, this.#underWay - 1);
    this.#failuresInRow = 0;
    // A call from before the pause says nothing about now.
    if (this.#state !== "probing") return;
    this.#state = this.#limits.rampMs > 0 ? "growing" : "closed";
    this.#atMs = nowMs;
    if (this.#state === "closed") this.#pausesInRow = 0;
  }

  /** A call was not answered. True when this opened the breaker. */
  failed(moment: BreakerMoment): boolean {
    this.#underWay = Math.max(0, this.#underWay - 1);
    if (this.#state === "open") return false;
    this.#failuresInRow += 1;
    if (this.#state === "closed" && this.#failuresInRow < this.#limits.failuresInRowMax) return false;
    const wasClosed = this.#state === "closed";
    this.#state = "open";
    this.#failuresInRow = 0;
    const pauseMs = Math.min(this.#limits.pauseMsMax, this.#limits.pauseMs * 2 ** this.#pausesInRow);
    this.#pausesInRow += 1;
    this.#atMs = moment.nowMs + pauseMs * (0.5 + moment.chance);
    return wasClosed;
  }

  #growingAdmits({ nowMs, chance }: BreakerMoment): boolean {
    const { rampMs, rampFractionMin, rampCallsMin } = this.#limits;
    const elapsed = (nowMs - this.#atMs) / rampMs;
    if (elapsed >= 1) {
      this.#state = "closed";
      this.#pausesInRow = 0;
      return true;
    }
    return this.#underWay < rampCallsMin || chance < rampFractionMin + (1 - rampFractionMin) * elapsed;
  }
}
