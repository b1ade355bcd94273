/**
 * What one trial of a rehearsal means: whether the rate was kept, and what stood in the way if not.
 *
 * Pure. Kept means that everybody got the decision that was due, without an error, and within the bound for 99 of 100. The load's
 * own process is the first suspect: what it could not send was not the deployment's failing, and is never said to be.
 */
import type { Limit } from "../../src/domain/certificate.ts";
import type { CpuSample } from "../swarm/generator/processor-watch.ts";
import type { SwarmResult } from "../swarm/generator/result.ts";
import type { Verdict } from "./knee.ts";

/** What everybody who comes is to be told. */
export type Wanted = "accepted" | "refused";

export interface TrialReading {
  readonly ratePerS: number;
  readonly verdict: Verdict;
  readonly latencyMsP99: number;
  readonly decisions: number;
  /** Cores' worth of work by process in the busiest second, "api 1" and "api 2" apart; empty where it cannot be looked at. */
  readonly cores: Readonly<Record<string, number>>;
  /** By part: what several processes of one part spent is one sum here. */
  readonly cpuUsPerDecision: Readonly<Record<string, number>> | null;
  readonly generatorLatenessMs: number;
  readonly throttled: number;
  /** Wrong answers, and answers that never came. */
  readonly errors: number;
}

export const GENERATOR = "generator";
export const BUYER_POPULATION = "buyers";

/** Beyond these a second try would be a waste. */
const FAR_OFF_LATENCY = 4;
const FAR_OFF_SHARE = 0.8;
/** A process that is this busy has no more to give. */
const BUSY_CORES = 0.9;
const BUSY_MACHINE = 0.9;
const GENERATOR_LATENESS_MS_MAX = 50;
/** Samples closer than this say more about the clock than about the processor. */
const SAMPLE_MS_MIN = 400;

const REFUSED = ["empty", "sold_out"] as const;
const ACCEPTED = ["held", "queued"] as const;

/** Reads a trial. `latencyMsMax`: the bound for p99. */
export function readTrial(
  result: SwarmResult,
  { ratePerS, wanted, latencyMsMax }: { ratePerS: number; wanted: Wanted; latencyMsMax: number },
): TrialReading {
  const outcomes = result.matrix[BUYER_POPULATION] ?? {};
  const sumOf = (names: readonly string[]): number => names.reduce((sum, name) => sum + (outcomes[name] ?? 0), 0);
  // The one unit that a crowd of the refused finds is as good a decision as any.
  const decided = wanted === "accepted" ? sumOf(ACCEPTED) : sumOf(REFUSED) + sumOf(ACCEPTED);
  const latencyMsP99 = result.latencyMs.byPopulation[BUYER_POPULATION]?.p99 ?? Number.POSITIVE_INFINITY;
  const share = decided / Math.max(1, result.requests.scheduled);
  const { errors } = result.requests;
  const isKept = errors === 0 && share === 1 && latencyMsP99 <= latencyMsMax;
  const isFarOff = errors > 0 || share < FAR_OFF_SHARE || latencyMsP99 > latencyMsMax * FAR_OFF_LATENCY;
  const missed = isFarOff ? "far off" : "missed";
  const usPerAnswer = Object.entries(sumByPart(result.cpu?.usPerAnswer ?? {})).filter(([part]) => part !== GENERATOR);
  return {
    ratePerS,
    verdict: isKept ? "kept" : missed,
    latencyMsP99: Math.round(latencyMsP99 * 10) / 10,
    decisions: decided,
    cores: coresOf(result.cpu?.samples ?? []),
    cpuUsPerDecision:
      usPerAnswer.length === 0 ? null : Object.fromEntries(usPerAnswer.map(([part, us]) => [part, Math.round(us)])),
    generatorLatenessMs: Math.round(result.generator.latenessMs.p99),
    throttled: outcomes["throttled"] ?? 0,
    errors,
  };
}

function coresOf(samples: readonly CpuSample[]): Record<string, number> {
  const cores: Record<string, number> = {};
  samples.forEach((sample, index) => {
    const before = samples[index - 1];
    if (before === undefined || sample.atMs - before.atMs < SAMPLE_MS_MIN) return;
    for (const [part, cpuMs] of Object.entries(sample.cpuMs)) {
      const used = (cpuMs - (before.cpuMs[part] ?? 0)) / (sample.atMs - before.atMs);
      cores[part] = Math.max(cores[part] ?? 0, Math.round(used * 100) / 100);
    }
  });
  return cores;
}

/** A process of a part that has several: see watched-servers.ts. */
export function nameOfProcess(part: string, index: number): string {
  return `${part} ${index + 1}`;
}

/** "api 1" and "api 2" as the "api" that they are together. */
function sumByPart(byProcess: Readonly<Record<string, number>>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, value] of Object.entries(byProcess)) sums[partOf(name)] = (sums[partOf(name)] ?? 0) + value;
  return sums;
}

function partOf(name: string): string {
  return name.replace(/ \d+$/, "");
}

/** One thread each: what counts is the busiest single process, never the sum of several. */
const SINGLE_THREADED: readonly (readonly [part: string, limit: Limit])[] = [
  ["api", "api processor"],
  ["redis", "redis"],
];
const LIMIT_OF: Readonly<Record<string, Limit>> = {
  api: "api processor",
  worker: "worker processor",
  redis: "redis",
  postgres: "postgres",
  [GENERATOR]: "generator",
};

/** What kept the deployment from more, judged by the lowest trial that was missed. `missed` null = none was. */
export function limitOf(
  missed: TrialReading | null,
  machine: { readonly cores: number; readonly generatorProcesses: number },
): { readonly limitedBy: Limit; readonly because: string } {
  if (missed === null) {
    return { limitedBy: "time", because: "no rate that was tried was missed: it may be more" };
  }
  const { cores, ratePerS } = missed;
  const at = `at ${ratePerS}/s`;
  if (missed.throttled > 0) {
    return { limitedBy: "limits", because: `${at} ${missed.throttled} attempts were throttled by a RATE_… setting` };
  }
  const generatorCores = cores[GENERATOR] ?? 0;
  if (
    missed.generatorLatenessMs > GENERATOR_LATENESS_MS_MAX ||
    generatorCores >= BUSY_CORES * machine.generatorProcesses
  ) {
    const late = `${missed.generatorLatenessMs} ms late (p99) with ${generatorCores.toFixed(2)} cores`;
    return {
      limitedBy: "generator",
      because: `${at} the load itself was ${late}: the deployment may be able to do more`,
    };
  }
  for (const [part, limitedBy] of SINGLE_THREADED) {
    const [name, used] = busiestOf(cores, part);
    const who = name === part ? "it" : name;
    if (used >= BUSY_CORES) return { limitedBy, because: `${at} ${who} used ${used.toFixed(2)} cores` };
  }
  // The machine's processors are everybody's: here several processes of a part count together.
  const all = Object.entries(sumByPart(cores)).sort(([, left], [, right]) => right - left);
  const sum = all.reduce((total, [, used]) => total + used, 0);
  const [largest] = all;
  if (largest !== undefined && sum >= BUSY_MACHINE * machine.cores) {
    const shares = all.map(([part, used]) => `${part} ${used.toFixed(2)}`).join(", ");
    return {
      limitedBy: LIMIT_OF[largest[0]] ?? "unknown",
      because: `${at} all ${machine.cores} processors of the machine were busy: ${shares}`,
    };
  }
  const seen =
    all.length === 0
      ? "no process could be looked at"
      : `no processor was busy (${sum.toFixed(2)} of ${machine.cores} cores)`;
  return { limitedBy: "unknown", because: `${at} ${seen}: the wait is for a disk, a network or another machine` };
}

function busiestOf(cores: Readonly<Record<string, number>>, part: string): readonly [name: string, used: number] {
  const own = Object.entries(cores).filter(([name]) => partOf(name) === part);
  return own.sort(([, left], [, right]) => right - left)[0] ?? [part, 0];
}
