/**
 * What a swarm has seen: answers by population and outcome, the same by second, and latencies.
 *
 * Fixed arrays of counters, because they are touched for every answer. Latencies count from the scheduled instant and belong
 * to the second in which the request was due; answers belong to the second in which they came. Snapshots of several processes
 * add up, outcome by outcome, by name. What is no decision (looks, errors) stays out of the latencies of decisions: it is quick
 * for reasons of its own, and would make them look better.
 */
import { Histogram, type HistogramSnapshot } from "../histogram.ts";
import { isAccepted, OUTCOMES_MAX, type OutcomeNames } from "./outcomes.ts";

const MS_PER_S = 1_000;

/** One second of a run. */
export interface SecondSnapshot {
  readonly arrivals: number;
  /** Answers that came in this second, by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of the attempts that were due in this second and were decided. */
  readonly latency: HistogramSnapshot;
}

/** Payments that buyers began, and the ends that they came to: each to one. */
export interface PaymentCounts {
  readonly begun: number;
  /** The sandbox's page answered the press of its button. */
  readonly taken: number;
  /** The checkout led to a real provider's page, which is never touched. */
  readonly elsewhere: number;
  /** The shop or the page said no. */
  readonly refused: number;
  /** Sent, and never answered. */
  readonly unanswered: number;
  /** Still to be sent when the run ended. */
  readonly unsent: number;
}

const PAYMENT_STEPS = ["begun", "taken", "elsewhere", "refused", "unanswered", "unsent"] as const;
const NO_PAYMENTS: Record<keyof PaymentCounts, number> = {
  begun: 0,
  taken: 0,
  elsewhere: 0,
  refused: 0,
  unanswered: 0,
  unsent: 0,
};

/** What one process has seen, as it travels to the others. */
export interface ScoreSnapshot {
  /** Population → outcome → requests. */
  readonly matrix: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly seconds: readonly SecondSnapshot[];
  /** Answered attempts by population, of scrapers their looks, from the scheduled instant. */
  readonly latency: Readonly<Record<string, HistogramSnapshot>>;
  readonly accepted: HistogramSnapshot;
  readonly refused: HistogramSnapshot;
  /** How late requests left by the generator's own fault: see engine.ts. */
  readonly lateness: HistogramSnapshot;
  readonly sent: number;
  readonly answered: number;
  readonly connectionsOpened: number;
  /** Buyers whose last answer was final, and when the last of them had it, in milliseconds after the opening. */
  readonly decided: number;
  readonly lastDecidedMs: number;
  readonly payments: PaymentCounts;
}

/** Counts in one process. */
export class Scoreboard {
  readonly lateness = new Histogram();
  sent = 0;
  answered = 0;
  accepted = 0;
  errors = 0;
  connectionsOpened = 0;
  decided = 0;
  lastDecidedMs = 0;
  readonly #payments = { ...NO_PAYMENTS };
  readonly #names: OutcomeNames;
  readonly #populations: readonly string[];
  readonly #startMs: number;
  readonly #matrix: Float64Array;
  readonly #arrivals: Float64Array;
  readonly #bySecond: Float64Array;
  readonly #latencyBySecond: (Histogram | undefined)[] = [];
  readonly #latency: readonly Histogram[];
  readonly #accepted = new Histogram();
  readonly #refused = new Histogram();
  #recent = new Histogram();

  /** `startMs` and `endMs`: the first and the last instant there can be, after the opening. */
  constructor(options: { names: OutcomeNames; populations: readonly string[]; startMs: number; endMs: number }) {
    this.#names = options.names;
    this.#populations = options.populations;
    this.#startMs = options.startMs;
    const seconds = Math.ceil((options.endMs - options.startMs) / MS_PER_S) + 1;
    this.#matrix = new Float64Array(options.populations.length * OUTCOMES_MAX);
    this.#arrivals = new Float64Array(seconds);
    this.#bySecond = new Float64Array(seconds * OUTCOMES_MAX);
    this.#latency = options.populations.map(() => new Histogram());
  }

  arrived(dueMs: number): void {
    const second = this.#secondOf(dueMs);
    this.#arrivals[second] = (this.#arrivals[second] ?? 0) + 1;
  }

  /** An outcome of any request. */
  count(population: number, outcome: number, nowMs: number): void {
    const cell = population * OUTCOMES_MAX + outcome;
    this.#matrix[cell] = (this.#matrix[cell] ?? 0) + 1;
    const place = this.#secondOf(nowMs) * OUTCOMES_MAX + outcome;
    this.#bySecond[place] = (this.#bySecond[place] ?? 0) + 1;
    if (this.#names.isErrorNumber(outcome)) this.errors += 1;
  }

  /** How long the answer to an attempt took, and which. Times after the opening. */
  attempt(population: number, outcome: number, { dueMs, nowMs }: { dueMs: number; nowMs: number }): void {
    const latencyMs = nowMs - dueMs;
    this.#latency[population]?.record(latencyMs);
    this.#recent.record(latencyMs);
    if (isAccepted(this.#names.nameOf(outcome))) this.accepted += 1;
    const decision = this.#names.decisionOfNumber(outcome);
    if (decision === "none") return;
    (decision === "accepted" ? this.#accepted : this.#refused).record(latencyMs);
    const second = this.#secondOf(dueMs);
    let ofSecond = this.#latencyBySecond[second];
    if (ofSecond === undefined) {
      ofSecond = new Histogram();
      this.#latencyBySecond[second] = ofSecond;
    }
    ofSecond.record(latencyMs);
  }

  /** A payment began, or came to one of its ends. */
  payment(step: keyof PaymentCounts): void {
    this.#payments[step] += 1;
  }

  /** How long the answer took to a look of a population that does nothing else. */
  look(population: number, latencyMs: number): void {
    this.#latency[population]?.record(latencyMs);
  }

  /** Of the attempts that were answered since this was asked last. */
  takeRecentMsP99(): number {
    const recent = this.#recent;
    this.#recent = new Histogram();
    return recent.percentileMs(0.99);
  }

  snapshot(): ScoreSnapshot {
    const matrix: Record<string, Record<string, number>> = {};
    const latency: Record<string, HistogramSnapshot> = {};
    this.#populations.forEach((population, index) => {
      matrix[population] = this.#rowOf(this.#matrix, index);
      latency[population] = (this.#latency[index] ?? new Histogram()).snapshot();
    });
    const seconds = Array.from(this.#arrivals, (arrivals, second) => ({
      arrivals,
      outcomes: this.#rowOf(this.#bySecond, second),
      latency: (this.#latencyBySecond[second] ?? NONE).snapshot(),
    }));
    const { sent, answered, connectionsOpened, decided, lastDecidedMs } = this;
    return {
      ...{ matrix, latency, seconds, sent, answered, connectionsOpened, decided, lastDecidedMs },
      payments: { ...this.#payments },
      accepted: this.#accepted.snapshot(),
      refused: this.#refused.snapshot(),
      lateness: this.lateness.snapshot(),
    };
  }

  #rowOf(cells: Float64Array, row: number): Record<string, number> {
    const counts: Record<string, number> = {};
    for (let outcome = 0; outcome < this.#names.names.length; outcome += 1) {
      const count = cells[row * OUTCOMES_MAX + outcome] ?? 0;
      if (count > 0) counts[this.#names.nameOf(outcome)] = count;
    }
    return counts;
  }

  #secondOf(sinceOpeningMs: number): number {
    const second = Math.floor((sinceOpeningMs - this.#startMs) / MS_PER_S);
    return Math.min(Math.max(second, 0), this.#arrivals.length - 1);
  }
}

const NONE = new Histogram();

/** One second of all processes. */
export interface SecondSum {
  readonly arrivals: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly latency: Histogram;
}

/** All processes together. */
export interface ScoreSum extends Omit<ScoreSnapshot, "seconds" | "latency" | "accepted" | "refused" | "lateness"> {
  readonly seconds: readonly SecondSum[];
  readonly latency: Readonly<Record<string, Histogram>>;
  readonly accepted: Histogram;
  readonly refused: Histogram;
  readonly lateness: Histogram;
}

/** Adds up what processes saw. */
export function sumScores(snapshots: readonly ScoreSnapshot[]): ScoreSum {
  const matrix: Record<string, Record<string, number>> = {};
  const latency: Record<string, Histogram> = {};
  for (const snapshot of snapshots) {
    for (const [population, counts] of Object.entries(snapshot.matrix)) {
      matrix[population] = addCounts(matrix[population] ?? {}, counts);
    }
    for (const [population, histogram] of Object.entries(snapshot.latency)) {
      latency[population] = mergedInto(latency[population] ?? new Histogram(), histogram);
    }
  }
  const seconds = Array.from({ length: Math.max(0, ...snapshots.map((one) => one.seconds.length)) }, (_, second) => {
    const parts = snapshots.flatMap((one) => one.seconds[second] ?? []);
    return {
      arrivals: sum(parts, (part) => part.arrivals),
      outcomes: parts.reduce<Record<string, number>>((counts, part) => addCounts(counts, part.outcomes), {}),
      latency: parts.reduce((merged, part) => mergedInto(merged, part.latency), new Histogram()),
    };
  });
  const merge = (of: (snapshot: ScoreSnapshot) => HistogramSnapshot): Histogram =>
    snapshots.reduce((merged, snapshot) => mergedInto(merged, of(snapshot)), new Histogram());
  return {
    ...{ matrix, latency, seconds },
    accepted: merge((one) => one.accepted),
    refused: merge((one) => one.refused),
    lateness: merge((one) => one.lateness),
    sent: sum(snapshots, (one) => one.sent),
    answered: sum(snapshots, (one) => one.answered),
    connectionsOpened: sum(snapshots, (one) => one.connectionsOpened),
    decided: sum(snapshots, (one) => one.decided),
    lastDecidedMs: Math.max(0, ...snapshots.map((one) => one.lastDecidedMs)),
    payments: sumPayments(snapshots.map((one) => one.payments)),
  };
}

function sumPayments(all: readonly PaymentCounts[]): PaymentCounts {
  const total = { ...NO_PAYMENTS };
  for (const step of PAYMENT_STEPS) total[step] = sum(all, (one) => one[step]);
  return total;
}

function mergedInto(histogram: Histogram, snapshot: HistogramSnapshot): Histogram {
  histogram.merge(snapshot);
  return histogram;
}

function addCounts(counts: Record<string, number>, more: Readonly<Record<string, number>>): Record<string, number> {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count;
  return counts;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
