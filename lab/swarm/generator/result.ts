/**
 * What a run came to, in a form that other programs read: `runSwarm` answers it, `--json-lines` ends with it.
 *
 * Pure: computed from the sums of all processes, the audit and the processor times. Times of a run are milliseconds after the
 * opening; latencies count from the scheduled instant. Findings are the promises that were broken; none = all is well.
 */

import { counted } from "../../../src/domain/counted.ts";
import { Histogram } from "../histogram.ts";
import type { Audit } from "../operator-client.ts";
import { isAccepted, isError, isNoAnswer, STAGE_ORDER, stageOf } from "./outcomes.ts";
import type { Plan } from "./plan.ts";
import type { CpuByPart, CpuSample } from "./processor-watch.ts";
import type { PaymentCounts, ScoreSum, SecondSum } from "./scoreboard.ts";
import type { SwarmSale } from "./swarm-sale.ts";

const MS_PER_S = 1_000;
/** The generator's own lateness beyond which its figures are about itself. */
const LATENESS_MS_MAX = 50;
/** More than a crowd of buyers with fingers of their own brings about. */
const THROTTLED_SHARE_MAX = 0.1;
/** A process of the generator that uses as much of a core has no more to give. */
const BUSY_CORES = 0.9;
/** Samples closer than this say more about the clock than about the processor. */
const SAMPLE_MS_MIN = 400;

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** One second of the run. */
export interface SwarmSecond {
  readonly atMs: number;
  /** Requests that were due. */
  readonly arrivals: number;
  /** Answers that came, by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of the attempts that were due in this second and were decided. */
  readonly latencyMs: Percentiles;
}

export interface SwarmResult {
  readonly scenario: string;
  readonly seed: number;
  /** When the run's opening was, ms since the epoch. */
  readonly opensAt: number;
  /** `unitsTaken`: held and sold, as the audit says; `unitsAccepted`: as the answers say. */
  readonly sale: SwarmSale & { readonly unitsTaken: number | null; readonly unitsAccepted: number };
  readonly processes: number;
  readonly requests: {
    readonly scheduled: number;
    /** Coming again and paying among them. */
    readonly sent: number;
    readonly answered: number;
    readonly accepted: number;
    /** No answer, a bug of the shop, or an answer that no document explains. */
    readonly errors: number;
  };
  readonly buyers: {
    readonly count: number;
    /** Attempts of theirs alone; `requests.accepted` counts those of the hostile as well. */
    readonly accepted: number;
    /** Those whose last answer was final. */
    readonly decided: number;
    /** When the last of them knew. */
    readonly lastDecidedMs: number;
  };
  readonly payments: PaymentCounts;
  /** Population → outcome → requests. */
  readonly matrix: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly stages: readonly { readonly stage: string; readonly requests: number }[];
  readonly latencyMs: {
    /** Of the attempts that were answered, errors among them; of scrapers, of their looks. */
    readonly byPopulation: Readonly<Record<string, Percentiles>>;
    readonly accepted: Percentiles;
    /** By a stage of the funnel. */
    readonly refused: Percentiles;
  };
  /** The second with the most arrivals. */
  readonly peak: SwarmSecond | null;
  /** All decided attempts that were due a second or more after the last unit went; null when the stock did not go. */
  readonly afterSoldOut: { readonly fromMs: number; readonly latencyMs: Percentiles } | null;
  readonly seconds: readonly SwarmSecond[];
  readonly generator: {
    readonly latenessMs: Percentiles;
    readonly connectionsOpened: number;
    readonly residentBytes: number;
    /** Cores' worth of work while requests were due. */
    readonly coresUsed: number;
    /** The same in the busiest second of it. */
    readonly coresUsedMax: number;
  };
  /** Null where processor time cannot be read. Of the generator as well. */
  readonly cpu: {
    readonly totalMs: CpuByPart;
    /** Per answered request. */
    readonly usPerAnswer: CpuByPart;
    readonly samples: readonly CpuSample[];
  } | null;
  /** Null when there was nobody to ask. */
  readonly audit: Audit | null;
  /** Promises that were broken. */
  readonly findings: readonly string[];
  /** Why figures are to be read with care. */
  readonly warnings: readonly string[];
}

/** What is known when a run has ended. */
export interface Ended {
  readonly scenario: string;
  readonly seed: number;
  readonly opensAt: number;
  readonly plan: Plan;
  readonly processes: number;
  readonly score: ScoreSum;
  readonly residentBytes: number;
  readonly sale: SwarmSale;
  readonly audit: Audit | null;
  /** False where units may have come back since: taken and accepted are then not the same. */
  readonly keepsUnits: boolean;
  readonly samples: readonly CpuSample[] | null;
  /** What of the samples is the swarm itself. */
  readonly generatorPart: string;
}

/** The result of a run. */
export function resultOf(ended: Ended): SwarmResult {
  const { plan, score, audit, sale } = ended;
  const all = score.seconds.map((second, index) => secondOf(second, plan.startMs + index * MS_PER_S));
  // Up to the last in which anything happened, and one more: a recorded curve ends where nobody comes any more.
  const seconds = all.slice(0, all.findLastIndex(isBusy) + 2);
  const outcomes = totalOf(score.matrix);
  const unitsTaken = audit?.items.find(({ sku }) => sku === sale.sku);
  const taken = unitsTaken === undefined ? null : unitsTaken.held + unitsTaken.sold;
  const cpu = cpuOf(ended);
  const result: Omit<SwarmResult, "findings" | "warnings"> = {
    ...{ scenario: ended.scenario, seed: ended.seed, opensAt: ended.opensAt, processes: ended.processes },
    sale: { ...sale, unitsTaken: taken, unitsAccepted: unitsAcceptedOf(ended) },
    requests: {
      scheduled: plan.requestCount,
      sent: score.sent,
      answered: score.answered,
      accepted: countWhere(outcomes, isAccepted),
      errors: countWhere(outcomes, isError),
    },
    buyers: {
      ...{ count: plan.buyerCount, decided: score.decided, lastDecidedMs: score.lastDecidedMs },
      accepted: acceptedOfBuyers(ended),
    },
    payments: score.payments,
    matrix: score.matrix,
    stages: STAGE_ORDER.map((stage) => ({ stage, requests: countWhere(outcomes, (name) => stageOf(name) === stage) })),
    latencyMs: {
      byPopulation: Object.fromEntries(Object.entries(score.latency).map(([name, of]) => [name, percentilesOf(of)])),
      accepted: percentilesOf(score.accepted),
      refused: percentilesOf(score.refused),
    },
    peak: seconds.reduce<SwarmSecond | null>((most, one) => (one.arrivals > (most?.arrivals ?? 0) ? one : most), null),
    afterSoldOut: afterSoldOutOf(score.seconds, plan.startMs),
    seconds,
    generator: {
      latenessMs: percentilesOf(score.lateness),
      connectionsOpened: score.connectionsOpened,
      residentBytes: ended.residentBytes,
      ...coresOf(ended),
    },
    cpu,
    audit,
  };
  return {
    ...result,
    findings: [...sessionFindingOf(ended), ...findingsOf(result, outcomes, ended.keepsUnits)],
    warnings: warningsOf(result, outcomes),
  };
}

export function percentilesOf(histogram: Histogram): Percentiles {
  const at = (share: number): number => histogram.percentileMs(share);
  return { count: histogram.count, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.maxMs };
}

function secondOf({ arrivals, outcomes, latency }: SecondSum, atMs: number): SwarmSecond {
  return { atMs, arrivals, outcomes, latencyMs: percentilesOf(latency) };
}

function isBusy({ arrivals, outcomes }: SwarmSecond): boolean {
  return arrivals > 0 || Object.keys(outcomes).length > 0;
}

/** Requests by outcome, over all populations. */
export function totalOf(matrix: SwarmResult["matrix"]): Readonly<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const counts of Object.values(matrix)) {
    for (const [outcome, count] of Object.entries(counts)) total[outcome] = (total[outcome] ?? 0) + count;
  }
  return total;
}

function countWhere(outcomes: Readonly<Record<string, number>>, isWanted: (name: string) => boolean): number {
  return Object.entries(outcomes).reduce((sum, [name, count]) => sum + (isWanted(name) ? count : 0), 0);
}

/** From the first whole second after the last acceptance on, if stock was refused by then. */
function afterSoldOutOf(seconds: readonly SecondSum[], startMs: number): SwarmResult["afterSoldOut"] {
  const lastAccepted = seconds.findLastIndex(({ outcomes }) => Object.keys(outcomes).some(isAccepted));
  const isOut = seconds.some(({ outcomes }) => outcomes["empty"] !== undefined || outcomes["sold_out"] !== undefined);
  const rest = seconds.slice(lastAccepted + 1).filter(({ latency }) => latency.count > 0);
  if (!isOut || lastAccepted === -1 || rest.length === 0) return null;
  const all = new Histogram();
  for (const { latency } of rest) all.merge(latency.snapshot());
  return { fromMs: startMs + (lastAccepted + 1) * MS_PER_S, latencyMs: percentilesOf(all) };
}

function cpuOf({ samples, score }: Ended): SwarmResult["cpu"] {
  const last = samples?.at(-1);
  if (samples === null || last === undefined) return null;
  const perAnswer = Object.entries(last.cpuMs).map(([part, ms]) => [
    part,
    (ms * MS_PER_S) / Math.max(1, score.answered),
  ]);
  return { totalMs: last.cpuMs, usPerAnswer: Object.fromEntries(perAnswer), samples };
}

/** Between the first and the last arrival. */
function coresOf({ samples, plan, opensAt, generatorPart }: Ended): { coresUsed: number; coresUsedMax: number } {
  const inside = (samples ?? []).filter(
    ({ atMs }) => atMs >= opensAt + plan.startMs && atMs <= opensAt + plan.endMs + MS_PER_S,
  );
  const between = (first: CpuSample | undefined, last: CpuSample | undefined, msMin: number): number => {
    if (first === undefined || last === undefined || last.atMs - first.atMs < msMin) return 0;
    return ((last.cpuMs[generatorPart] ?? 0) - (first.cpuMs[generatorPart] ?? 0)) / (last.atMs - first.atMs);
  };
  return {
    coresUsed: between(inside[0], inside.at(-1), 1),
    coresUsedMax: Math.max(0, ...inside.map((sample, index) => between(inside[index - 1], sample, SAMPLE_MS_MIN))),
  };
}

function acceptedOfBuyers({ plan, score }: Pick<Ended, "plan" | "score">): number {
  return plan.streams.reduce((sum, { name, population }) => {
    return population.kind === "buyer" ? sum + countWhere(score.matrix[name] ?? {}, isAccepted) : sum;
  }, 0);
}

/** Units of the attempts that were accepted. */
export function unitsAcceptedOf({ plan, score }: Pick<Ended, "plan" | "score">): number {
  return plan.streams.reduce((sum, { name, population }) => {
    const quantity = population.kind === "buyer" ? population.quantity : 1;
    return sum + quantity * countWhere(score.matrix[name] ?? {}, isAccepted);
  }, 0);
}

/** Sessions of buyers are minted with the SECRET that was given: one that is not accepted makes the whole load another one. */
function sessionFindingOf({ plan, score }: Pick<Ended, "plan" | "score">): readonly string[] {
  const refused = plan.streams.reduce((sum, { name, population }) => {
    return population.kind === "buyer" ? sum + (score.matrix[name]?.["session_invalid"] ?? 0) : sum;
  }, 0);
  if (refused === 0) return [];
  return [
    `${counted(refused, "attempt of a buyer was", "attempts of buyers were")} refused as session_invalid: the SECRET that their sessions were made with is not the deployment's, or the clocks of the two differ.`,
  ];
}

function findingsOf(
  result: Omit<SwarmResult, "findings" | "warnings">,
  outcomes: Readonly<Record<string, number>>,
  keepsUnits: boolean,
): readonly string[] {
  const { requests, sale, audit } = result;
  const findings: string[] = [];
  const errors = Object.entries(outcomes).filter(([name]) => isError(name));
  if (requests.errors > 0) {
    findings.push(
      `${counted(requests.errors, "error")}: ${errors.map(([name, count]) => `${count} ${name}`).join(", ")}`,
    );
  }
  if (audit !== null && !audit.balanced)
    findings.push(`the audit does not balance: ${JSON.stringify(audit.violations)}`);
  const silent = countWhere(outcomes, isNoAnswer);
  if (sale.unitsTaken !== null && sale.isOwn) {
    if (sale.unitsTaken > sale.stock) findings.push(`${sale.unitsTaken} units are taken of ${sale.stock}`);
    // Who got no answer may have been accepted all the same, but whoever was told must be in the books.
    const isLost = sale.unitsTaken < sale.unitsAccepted;
    const isUntold = silent === 0 && sale.unitsTaken > sale.unitsAccepted;
    if (keepsUnits && (isLost || isUntold)) {
      findings.push(`${sale.unitsTaken} units are taken, and ${sale.unitsAccepted} were answered as accepted`);
    }
  }
  return findings;
}

function warningsOf(
  { generator, processes }: Pick<SwarmResult, "generator" | "processes">,
  outcomes: Readonly<Record<string, number>>,
): readonly string[] {
  const warnings: string[] = [];
  const all = countWhere(outcomes, () => true);
  const throttled = outcomes["throttled"] ?? 0;
  if (throttled > all * THROTTLED_SHARE_MAX) {
    warnings.push(
      `${throttled} of ${all} answers were "throttled": limits that all who come from one address share keep this crowd out, and not the sale. Name this machine in TRUSTED_PROXIES, so that each buyer comes from an address of his own.`,
    );
  }
  const lateMs = generator.latenessMs.p99;
  if (lateMs > LATENESS_MS_MAX) {
    warnings.push(
      `The generator itself was late by ${Math.round(lateMs)} ms (p99): it had too little processor, and latencies are partly its own.`,
    );
  }
  // Who has no time to read answers finds no connection free: that wait looks like the server's.
  if (generator.coresUsedMax >= BUSY_CORES * processes) {
    warnings.push(
      `The generator used ${generator.coresUsedMax.toFixed(2)} cores in its busiest second, with ${counted(processes, "process", "processes")}: it had no more to give, and latencies may be its own. Give it more with --processes.`,
    );
  }
  return warnings;
}
