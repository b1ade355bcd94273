/**
 * A scenario in numbers: how many arrivals each population has, when, and which identities are whose.
 *
 * Pure, and the same in every process of a swarm, so that nobody has to be told what follows from the scenario. A buyer is an
 * arrival of his own; requests of hostile populations take turns among a few identities.
 */
import { durationOf, type InverseCurve, inverseOf, type RecordedStretch } from "./arrivals.ts";
import type { Block } from "./identities.ts";
import { DURATION_MS_MAX, type Population, REQUESTS_MAX, type Scenario, ScenarioError } from "./scenario.ts";

/** Of a hostile population that does not say how many it is. */
const ACTORS_MAX_BY_DEFAULT = 1_000;
const ACTORS_SHARE_BY_DEFAULT = 0.01;
const MS_PER_S = 1_000;

/** One population, counted. */
export interface StreamPlan {
  readonly name: string;
  /** Its place among the populations. */
  readonly index: number;
  readonly population: Population;
  /** Arrivals, over all processes. */
  readonly count: number;
  /** After the opening; before it when negative. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly inverse: InverseCurve;
  readonly firstNumber: number;
  /** Identities: as many as arrivals where each is another buyer. */
  readonly actors: number;
}

export interface Plan {
  readonly streams: readonly StreamPlan[];
  readonly requestCount: number;
  readonly identityCount: number;
  /** Arrivals that are buyers. */
  readonly buyerCount: number;
  /** The first and the last arrival, at most, in milliseconds after the opening. */
  readonly startMs: number;
  readonly endMs: number;
}

/** What the files of replayed curves say, by the path the scenario names. */
export type RecordedCurves = Readonly<Record<string, readonly RecordedStretch[]>>;

/** The plan of a scenario. `requests`: exactly so many arrivals, the mixture as it is. Throws {@link ScenarioError}. */
export function planOf(scenario: Scenario, recorded: RecordedCurves, requests: number | null = null): Plan {
  const wanted = Object.values(scenario.populations).map((population) => countOf(population, scenario));
  const counts = requests === null ? wanted : apportioned(wanted, requests);
  let firstNumber = 0;
  const streams = Object.entries(scenario.populations).map(([name, population], index): StreamPlan => {
    const { arrivals } = population;
    const curve = arrivals.curve === "replay" ? (recorded[arrivals.file] ?? []) : [];
    const count = counts[index] ?? 0;
    const actors = actorsOf(population, count);
    const stream = {
      ...{ name, index, population, count, actors, firstNumber },
      startMs: arrivals.startMs,
      durationMs: durationOf(arrivals, curve),
      inverse: inverseOf(arrivals, curve),
    };
    firstNumber += actors;
    return stream;
  });
  const coming = streams.filter(({ count }) => count > 0);
  const plan = {
    streams,
    requestCount: sum(streams.map(({ count }) => count)),
    identityCount: firstNumber,
    buyerCount: sum(streams.map(({ population, count }) => (population.kind === "buyer" ? count : 0))),
    startMs: Math.min(...coming.map(({ startMs }) => startMs)),
    endMs: Math.max(...coming.map(({ startMs, durationMs }) => startMs + durationMs)),
  };
  check(plan, scenario.name);
  return plan;
}

/** The bounds that hold for all populations together. */
function check({ requestCount, startMs, endMs }: Plan, name: string): void {
  if (requestCount === 0) throw new ScenarioError(`${name} has no arrivals: the share of every population is 0.`);
  if (requestCount > REQUESTS_MAX) {
    throw new ScenarioError(`${name} has ${requestCount} arrivals; accepted: at most ${REQUESTS_MAX} in all.`);
  }
  if (endMs - Math.min(0, startMs) > DURATION_MS_MAX) {
    throw new ScenarioError(`${name} lasts ${endMs - Math.min(0, startMs)} ms; accepted: at most ${DURATION_MS_MAX}.`);
  }
}

function countOf({ count, share, ratePerS, arrivals }: Population, { requests }: Scenario): number {
  if (count !== undefined) return count;
  // A share of nothing is nobody; anything else, however small, is at least one.
  if (share === 0) return 0;
  if (share !== undefined) return Math.max(1, Math.round(share * (requests ?? 0)));
  return Math.max(1, Math.round(((ratePerS ?? 0) * durationOf(arrivals)) / MS_PER_S));
}

function actorsOf(population: Population, count: number): number {
  if (population.kind === "buyer") return count;
  const byDefault = Math.min(ACTORS_MAX_BY_DEFAULT, Math.ceil(count * ACTORS_SHARE_BY_DEFAULT));
  return Math.min(count, population.actors ?? byDefault);
}

/**
 * The mixture made larger or smaller to exactly so many: one for each population, the rest as they were. Where there are fewer
 * than populations, the largest get one.
 */
function apportioned(wanted: readonly number[], total: number): readonly number[] {
  const all = sum(wanted);
  const coming = wanted.map((count, place) => ({ count, place })).filter(({ count }) => count > 0);
  const largest = coming.sort((left, right) => right.count - left.count).slice(0, total);
  const more = largest.map(({ count }) => Math.max(0, (count * total) / all - 1));
  const factor = (total - largest.length) / Math.max(1e-9, sum(more));
  const counts = wanted.map(() => 0);
  let until = 0;
  for (const [index, { place }] of largest.entries()) {
    const before = Math.round(until);
    until += (more[index] ?? 0) * factor;
    // What rounding takes from one the next one gets, so that the sum is right.
    counts[place] = 1 + Math.round(until) - before;
  }
  return counts;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** Which of a population's arrivals are one process's: they take turns. */
export interface Share {
  readonly part: number;
  readonly partCount: number;
}

/** The identities that a process plays: of buyers its own, of the others all. */
export function blockOf({ population, count, actors, firstNumber }: StreamPlan, { part, partCount }: Share): Block {
  if (population.kind !== "buyer") return { firstNumber, step: 1, count: actors };
  return {
    firstNumber: firstNumber + part,
    step: partCount,
    count: Math.max(0, Math.ceil((count - part) / partCount)),
  };
}
