/**
 * When those who were refused as busy should come back: the more of them there are, the later.
 *
 * Who is told "in a second" is there again in a second, and so is everybody else; at five times the load that would be the
 * same crowd each second. So the advice grows with the share that was refused lately, in three steps. Each step is spread
 * by half in both directions (refusal-answers.ts), because a crowd that returns in step is a second stampede.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { Clock } from "../../ports/clock.ts";
import { prepareRefusal, prepareSpreadRefusal } from "../refusal-answers.ts";

/** Refused for each one taken, from which the advice holds. */
const ADVICE: readonly { readonly refusedPerTaken: number; readonly refusal: Refusal }[] = [
  { refusedPerTaken: 3, refusal: prepareSpreadRefusal({ reason: "busy", retryAfterMs: 4_000 }) },
  { refusedPerTaken: 1, refusal: prepareSpreadRefusal({ reason: "busy", retryAfterMs: 2_000 }) },
  { refusedPerTaken: 0, refusal: prepareRefusal({ reason: "busy" }) },
];
const GENTLEST = prepareRefusal({ reason: "busy" });
const LOOK_BACK_MS = 1_000;

/** Counts what is taken and refused, and knows what to say. */
export class BusyAdvice {
  readonly #clock: Clock;
  #refusal: Refusal = GENTLEST;
  #taken = 0;
  #refused = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request was taken. */
  take(): void {
    this.#taken += 1;
  }

  /** A request is refused: what it is told. */
  refuse(): Refusal {
    this.#refused += 1;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs >= LOOK_BACK_MS) this.#look(nowMs);
    return this.#refusal;
  }

  #look(nowMs: number): void {
    const refusedPerTaken = this.#refused / Math.max(1, this.#taken);
    const isFresh = nowMs - this.#sinceMs < LOOK_BACK_MS * 2;
    const advice = ADVICE.find((step) => refusedPerTaken >= step.refusedPerTaken);
    this.#refusal = isFresh && advice !== undefined ? advice.refusal : GENTLEST;
    this.#sinceMs = nowMs;
    this.#taken = 0;
    this.#refused = 0;
  }
}
