/**
 * Counts of answers per population, stage and reason, and decisions per second: what the final table is made of.
 *
 * Bounded by construction: populations × stages × reasons, and one counter for each second of the run. Snapshots are
 * cumulative and replace the earlier one of the same process, so a lost message never skews the sums.
 */
import { Histogram, type HistogramSnapshot } from "./histogram.ts";
import type { Population } from "./population.ts";

const RUN_SECONDS_MAX = 3_600;

/** Reason of an acceptance in the table; all other rows carry the refusal's own reason. */
export const ACCEPTED = "accepted";
/** An acceptance that the books did not have yet when it was answered (202). */
export const QUEUED = "queued";
/** Stage of everything that never became an answer. */
export const NO_ANSWER_STAGE = "no answer";

const NO_PAYMENTS: PaymentCounts = {
  paid: 0,
  declined: 0,
  abandoned: 0,
  tooLate: 0,
  failed: 0,
  followed: 0,
  lost: 0,
};

/** What one process counted so far. */
export interface TallySnapshot {
  /** `population|stage|reason` → answers. */
  readonly answers: Readonly<Record<string, number>>;
  /** Answers of the funnel in each second after the opening. */
  readonly answersPerSecond: readonly number[];
  /** Of the buyer's first answer, from the scheduled instant. */
  readonly firstAnswer: HistogramSnapshot;
  /** From the scheduled instant, accepted attempts only. */
  readonly accepted: HistogramSnapshot;
  /** From the scheduled instant, refused attempts only. */
  readonly refused: HistogramSnapshot;
  readonly payments: PaymentCounts;
}

/** What became of the attempts to pay. */
export interface PaymentCounts {
  readonly paid: number;
  readonly declined: number;
  readonly abandoned: number;
  /** The hold had ended before the money moved. */
  readonly tooLate: number;
  readonly failed: number;
  /** Reservations that were answered as queued and asked for until they were decided. */
  readonly followed: number;
  /** Of those, how many the buyer was then told not to have. */
  readonly lost: number;
}

type Writable<Counts> = { -readonly [Name in keyof Counts]: Counts[Name] };

/** Collects what happens in one process. */
export class Tally {
  readonly payments: Writable<PaymentCounts> = { ...NO_PAYMENTS };
  private readonly answers = new Map<string, number>();
  private readonly answersPerSecond: number[] = [];
  private readonly firstAnswer = new Histogram();
  private readonly accepted = new Histogram();
  private readonly refused = new Histogram();

  /** An answer of the funnel. `sinceOpeningMs` places it in time. */
  answer(answer: {
    population: Population;
    stage: string;
    reason: string;
    latencyMs: number;
    isFirst: boolean;
    sinceOpeningMs: number;
  }): void {
    this.count(answer.population, answer.stage, answer.reason);
    const second = Math.floor(answer.sinceOpeningMs / 1_000);
    if (second >= 0 && second < RUN_SECONDS_MAX) {
      while (this.answersPerSecond.length <= second) this.answersPerSecond.push(0);
      this.answersPerSecond[second] = (this.answersPerSecond[second] ?? 0) + 1;
    }
    if (answer.isFirst) this.firstAnswer.record(answer.latencyMs);
    (isAcceptance(answer.reason) ? this.accepted : this.refused).record(answer.latencyMs);
  }

  /** A request that ended without an answer. */
  noAnswer(population: Population, cause: string): void {
    this.count(population, NO_ANSWER_STAGE, cause);
  }

  snapshot(): TallySnapshot {
    return {
      answers: Object.fromEntries(this.answers),
      answersPerSecond: [...this.answersPerSecond],
      firstAnswer: this.firstAnswer.snapshot(),
      accepted: this.accepted.snapshot(),
      refused: this.refused.snapshot(),
      payments: { ...this.payments },
    };
  }

  private count(population: Population, stage: string, reason: string): void {
    const row = `${population}|${stage}|${reason}`;
    this.answers.set(row, (this.answers.get(row) ?? 0) + 1);
  }
}

/** The sums over processes, with live histograms for percentiles. */
export interface TallySum {
  readonly rows: readonly TallyRow[];
  readonly answersPerSecond: readonly number[];
  readonly firstAnswer: Histogram;
  readonly accepted: Histogram;
  readonly refused: Histogram;
  readonly payments: PaymentCounts;
}

export interface TallyRow {
  readonly population: string;
  readonly stage: string;
  readonly reason: string;
  readonly count: number;
}

/** Adds up the processes. */
export function sumTallies(snapshots: readonly TallySnapshot[]): TallySum {
  const answers = new Map<string, number>();
  const answersPerSecond: number[] = [];
  const payments: Writable<PaymentCounts> = { ...NO_PAYMENTS };
  const firstAnswer = new Histogram();
  const accepted = new Histogram();
  const refused = new Histogram();
  for (const snapshot of snapshots) {
    for (const [row, count] of Object.entries(snapshot.answers)) answers.set(row, (answers.get(row) ?? 0) + count);
    snapshot.answersPerSecond.forEach((count, second) => {
      while (answersPerSecond.length <= second) answersPerSecond.push(0);
      answersPerSecond[second] = (answersPerSecond[second] ?? 0) + count;
    });
    firstAnswer.merge(snapshot.firstAnswer);
    accepted.merge(snapshot.accepted);
    refused.merge(snapshot.refused);
    payments.paid += snapshot.payments.paid;
    payments.declined += snapshot.payments.declined;
    payments.abandoned += snapshot.payments.abandoned;
    payments.tooLate += snapshot.payments.tooLate;
    payments.failed += snapshot.payments.failed;
    payments.followed += snapshot.payments.followed;
    payments.lost += snapshot.payments.lost;
  }
  return { rows: rowsOf(answers), answersPerSecond, firstAnswer, accepted, refused, payments };
}

/** The count over all populations, or over one, of a stage (null = any) and reason (null = any). */
export function countRows(
  rows: readonly TallyRow[],
  which: { population?: string; stage?: string; reason?: string },
): number {
  let sum = 0;
  for (const row of rows) {
    if (which.population !== undefined && row.population !== which.population) continue;
    if (which.stage !== undefined && row.stage !== which.stage) continue;
    if (which.reason !== undefined && row.reason !== which.reason) continue;
    sum += row.count;
  }
  return sum;
}

/** Answers that took units, committed or queued, over all populations or of one. */
export function countAccepted(rows: readonly TallyRow[], which: { population?: string } = {}): number {
  return countRows(rows, { ...which, reason: ACCEPTED }) + countRows(rows, { ...which, reason: QUEUED });
}

/** How those who press far above the rate limit were answered, beyond the stages that come before it. */
export function countHasty(rows: readonly TallyRow[]): { answeredCount: number; throttledCount: number } {
  const population = "impatient" satisfies Population;
  const stagesBefore = ["shed", "window", NO_ANSWER_STAGE];
  const before = stagesBefore.reduce((sum, stage) => sum + countRows(rows, { population, stage }), 0);
  return {
    answeredCount: countRows(rows, { population }) - before,
    throttledCount: countRows(rows, { population, reason: "throttled" }),
  };
}

function isAcceptance(reason: string): boolean {
  return reason === ACCEPTED || reason === QUEUED;
}

function rowsOf(answers: ReadonlyMap<string, number>): TallyRow[] {
  return [...answers].map(([key, count]) => {
    const [population = "", stage = "", reason = ""] = key.split("|");
    return { population, stage, reason, count };
  });
}
