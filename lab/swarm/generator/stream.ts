/**
 * One population in one process: its arrivals in order, its identities, and the errands that come of them.
 */

import type { Appointment } from "./agenda.ts";
import type { AnswerKind } from "./answer-reader.ts";
import { drawArrivals } from "./arrivals.ts";
import { Identities } from "./identities.ts";
import { blockOf, type Share, type StreamPlan } from "./plan.ts";

/** One request that is to be sent, or under way. Times are milliseconds after the opening. */
export interface Errand extends Appointment {
  readonly stream: Stream;
  readonly kind: AnswerKind;
  /** The arrival's place in its process. */
  readonly arrival: number;
  /** Attempts of the same arrival before this one. */
  readonly tries: number;
  readonly dueMs: number;
  /** Where it goes, for what is no attempt. */
  readonly path: string;
  sentMs: number;
}

/** A population's part of one process. */
export class Stream {
  readonly plan: StreamPlan;
  readonly share: Share;
  readonly identities: Identities;
  /** After the opening, ascending. */
  readonly instants: Float64Array;
  #next = 0;

  constructor(plan: StreamPlan, share: Share, seed: number) {
    this.plan = plan;
    this.share = share;
    this.identities = new Identities(blockOf(plan, share));
    const isEven = plan.population.arrivals.curve === "steady";
    const draw = { count: plan.count, seed, stream: plan.index, isEven, ...share };
    this.instants = drawArrivals(plan.inverse, draw).map((atMs) => atMs + plan.startMs);
  }

  /** When the next one comes; infinite after the last. */
  get nextMs(): number {
    return this.instants[this.#next] ?? Number.POSITIVE_INFINITY;
  }

  /** How many have come by an instant and were not taken, counted up to a bound. */
  countDue(nowMs: number, countMax: number): number {
    let count = 0;
    while (count < countMax && (this.instants[this.#next + count] ?? Number.POSITIVE_INFINITY) <= nowMs) count += 1;
    return count;
  }

  /** The next arrival's errand. */
  take(): Errand {
    const arrival = this.#next;
    this.#next += 1;
    const { population } = this.plan;
    const looks = population.kind === "scraper" || (population.kind === "buyer" && this.looksFirst(arrival));
    const kind: AnswerKind = looks ? "look" : "attempt";
    return { stream: this, kind, arrival, tries: 0, dueMs: this.instants[arrival] ?? 0, path: "", sentMs: 0 };
  }

  /** Whose turn it is: of buyers each his own, of the others one after the other. */
  slotOf(arrival: number): number {
    return this.plan.population.kind === "buyer" ? arrival : this.globalOf(arrival) % this.plan.actors;
  }

  /** How often that identity came before. */
  roundOf(arrival: number): number {
    return this.plan.population.kind === "buyer" ? 0 : Math.floor(this.globalOf(arrival) / this.plan.actors);
  }

  /** The arrival's place among those of all processes. */
  globalOf(arrival: number): number {
    return this.share.part + arrival * this.share.partCount;
  }

  looksFirst(arrival: number): boolean {
    const { population } = this.plan;
    if (population.kind !== "buyer" || population.look === undefined) return false;
    return chanceOf(this.globalOf(arrival), "look") < population.look.share;
  }
}

const SALTS = { look: 0x2545f491, think: 0x1b873593, pay: 0x3c6ef372, hesitate: 0x9e3779b1, giveBack: 0x51ed270b };

/** A number in [0, 1) that belongs to an arrival and a question: the same in every run and process. */
export function chanceOf(arrival: number, question: keyof typeof SALTS): number {
  let mixed = Math.imul((arrival + 1) ^ SALTS[question], 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 4_294_967_296;
}
