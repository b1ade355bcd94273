/**
 * Shedding for every route but the hot one: each request belongs to a class, and each class to a step of the ladder.
 *
 * Requests that ask the database have a bound on how many are under way, which follows how long the database takes
 * (concurrency-limit.ts). Of that bound a class may use its share: who looks around is turned away while places are left
 * for who wants to pay. Attempts have their own bound in shed.ts; what one buyer may ask for is the throttle's question.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { Clock } from "../../ports/clock.ts";
import type { BusyAdvice } from "./busy-advice.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import type { Ladder, Priority } from "./ladder.ts";

/** What a route asks of the process. */
export interface RouteClass {
  readonly priority: Priority;
  readonly needs: "database" | "nothing";
}

/** The share of the places that requests of a class may fill, everybody counted. */
export const PLACES_SHARE: Readonly<Record<Priority, number>> = {
  pay: 1,
  confirm: 0.9,
  reserve: 0.8,
  status: 0.7,
  browse: 0.5,
};

/** A read takes a millisecond or two; a queue that makes it a hundred is long enough. */
const DATABASE_BOUNDS = {
  limitMin: 32,
  limitMax: 1_024,
  limitAtStart: 256,
  referenceMsMin: 100,
  latencyTargetMs: 100,
};

/** See the head of this file. */
export class RouteGuard {
  readonly #ladder: Ladder;
  readonly #advice: BusyAdvice;
  readonly #clock: Clock;
  readonly #limit = new ConcurrencyLimit(DATABASE_BOUNDS);
  #underWay = 0;

  constructor(parts: { ladder: Ladder; advice: BusyAdvice; clock: Clock }) {
    this.#ladder = parts.ladder;
    this.#advice = parts.advice;
    this.#clock = parts.clock;
  }

  /** Requests under way that ask the database. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Requests that may ask the database at once. */
  get limit(): number {
    return this.#limit.limit;
  }

  /** Does the work, or answers why not. Rejects with what the work throws. */
  async run<Answer>(route: RouteClass, work: () => Answer | Promise<Answer>): Promise<Answer | Refusal> {
    const isFull = route.needs === "database" && this.#underWay >= this.#limit.limit * PLACES_SHARE[route.priority];
    if (isFull || this.#ladder.refuses(route.priority)) return this.#advice.refuse();
    this.#advice.take();
    if (route.needs === "nothing") return work();
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
    }
  }

  /** The database answered a read, or gave up: how long that took, waiting for a connection included. */
  observe(durationMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#limit.observe({ latencyMs: durationMs, flightMs: 0, answers: 1, inFlight: this.#underWay, nowMs });
  }
}
