/**
 * Leaves a provider alone that does not answer, and finds out by single trials when it does again.
 *
 *            failures in a row            a while later            a trial succeeds
 *   closed ─────────────────────► open ─────────────────► trying ─────────────────► closed
 *                                  ▲         a trial fails   │
 *                                  └─────────────────────────┘
 *
 * closed: everything passes. open: nothing does. trying: one request at a time, and new challenges only now and then, so that
 * somebody has a solution to try with. Own code and not the library's: a challenge must know beforehand whether it is worth
 * showing, without making a call.
 */
import type { Clock } from "../../ports/clock.ts";

export interface BreakerLimits {
  readonly failuresInRowMax: number;
  readonly breakMs: number;
  /** While trying, between two challenges that are shown. */
  readonly inviteIntervalMs: number;
}

export type BreakerState = "closed" | "open" | "trying";

/** One per provider; all times monotonic. */
export class Breaker {
  readonly #limits: BreakerLimits;
  readonly #clock: Clock;
  #failuresInRow = 0;
  #openUntilMs = 0;
  #invitedAtMs = Number.NEGATIVE_INFINITY;
  #isTrialOut = false;

  constructor(options: { limits: BreakerLimits; clock: Clock }) {
    this.#limits = options.limits;
    this.#clock = options.clock;
  }

  get state(): BreakerState {
    if (this.#failuresInRow < this.#limits.failuresInRowMax) return "closed";
    return this.#clock.monotonicMs() < this.#openUntilMs ? "open" : "trying";
  }

  /** Whether a challenge may be shown whose solution the provider will have to judge. */
  invites(): boolean {
    const { state } = this;
    if (state !== "trying") return state === "closed";
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#invitedAtMs < this.#limits.inviteIntervalMs) return false;
    this.#invitedAtMs = nowMs;
    return true;
  }

  /** Whether a request may be sent. Whoever hears true tells the outcome with {@link settle}. */
  admits(): boolean {
    const { state } = this;
    if (state !== "trying") return state === "closed";
    if (this.#isTrialOut) return false;
    this.#isTrialOut = true;
    return true;
  }

  /** Whether the request that was admitted was answered. */
  settle(isAnswered: boolean): void {
    this.#isTrialOut = false;
    if (isAnswered) {
      this.#failuresInRow = 0;
      return;
    }
    this.#failuresInRow += 1;
    this.#openUntilMs = this.#clock.monotonicMs() + this.#limits.breakMs;
  }
}
