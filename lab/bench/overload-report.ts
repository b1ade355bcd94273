/**
 * What an overload run showed, beside what was asked for, in Markdown.
 */
import { cpus, totalmem } from "node:os";
import type { IntervalResult, OpenLoopResult } from "./open-loop.ts";

export interface OverloadFigures {
  readonly runtime: string;
  readonly factor: number;
  /** 0 = the ledger as it is. */
  readonly bytesPerS: number;
  readonly peakPerS: number;
  /** The node had an edge Redis, and lost it when the overload began. */
  readonly losesEdge: boolean;
  readonly result: OpenLoopResult;
  readonly loopDelayMsP99: number;
  readonly memoryMbMax: number;
  /** Of one core, over the whole run. */
  readonly cpuShare: number;
}

export interface JudgedRow {
  readonly name: string;
  readonly measured: string;
  readonly aim: string;
  readonly isMet: boolean;
}

const AIMS = { goodputShare: 0.9, refusedMs: 20, acceptedMs: 250, loopDelayMs: 50, recoveryMs: 5_000 };
/** As it was: this much of the quiet p99, or this many milliseconds where that is little. */
const NORMAL = { factor: 2, msMin: 50, answeredShare: 0.99 };

/** The five aims, and whether as much was offered as should be. */
export function judgeOverload(figures: OverloadFigures): readonly JudgedRow[] {
  const { peakPerS, result, loopDelayMsP99, factor } = figures;
  const overload = result.phases.find(({ name }) => name === "overload");
  if (overload === undefined) throw new Error("there was no overload");
  const goodput = overload.acceptedPerS / peakPerS;
  const recoveryMs = recoveryOf(result.intervals);
  const share = (value: number): string => `${(value * 100).toFixed(1)} %`;
  const row = (name: string, value: number, aim: number): JudgedRow => ({
    name,
    measured: `${value.toFixed(1)} ms`,
    aim: `≤ ${aim} ms`,
    isMet: value <= aim,
  });
  return [
    {
      name: `accepted at ${factor} × the peak, of the peak`,
      measured: share(goodput),
      aim: `≥ ${share(AIMS.goodputShare)}`,
      isMet: goodput >= AIMS.goodputShare,
    },
    row("refusals p99", overload.refusedMsP99, AIMS.refusedMs),
    row("accepted p99", overload.acceptedMsP99, AIMS.acceptedMs),
    row("event-loop delay p99", loopDelayMsP99, AIMS.loopDelayMs),
    row("as it was before, after", recoveryMs, AIMS.recoveryMs),
    {
      name: "requests without an answer",
      measured: String(result.unanswered),
      aim: "0",
      isMet: result.unanswered === 0,
    },
  ];
}

/** How long after the overload an interval begins from which on all of them are as the quiet ones were. */
export function recoveryOf(intervals: readonly IntervalResult[]): number {
  const quiet = intervals.filter(({ phase }) => phase === "quiet").slice(1);
  const after = intervals.filter(({ phase }) => phase === "after");
  const quietMsP99 = Math.max(...quiet.map(({ latencyMsP99 }) => latencyMsP99));
  const msMax = Math.max(NORMAL.msMin, quietMsP99 * NORMAL.factor);
  const isNormal = ({ accepted, scheduled, latencyMsP99 }: IntervalResult): boolean =>
    accepted >= scheduled * NORMAL.answeredShare && latencyMsP99 <= msMax;
  const lastBad = after.findLastIndex((interval) => !isNormal(interval));
  if (lastBad === after.length - 1) return Number.POSITIVE_INFINITY;
  return (after[lastBad + 1]?.sinceStartMs ?? 0) - (after[0]?.sinceStartMs ?? 0);
}

/** The whole report. */
export function renderOverload(figures: OverloadFigures): string {
  const { runtime, bytesPerS, peakPerS, losesEdge, result, memoryMbMax, cpuShare } = figures;
  const edge = losesEdge ? "; the edge Redis was killed when the overload began" : "";
  const ledger = bytesPerS === 0 ? "PostgreSQL as it is" : `PostgreSQL behind ${bytesPerS} bytes per second`;
  const phases = result.phases.map((phase) => {
    const figuresOfPhase = [
      phase.scheduled,
      Math.round(phase.acceptedPerS),
      phase.acceptedMsP50.toFixed(1),
      phase.acceptedMsP99.toFixed(1),
      phase.refusedMsP50.toFixed(1),
      phase.refusedMsP99.toFixed(1),
      JSON.stringify(phase.outcomes),
    ];
    return `| ${[phase.name, ...figuresOfPhase].join(" | ")} |`;
  });
  const judged = judgeOverload(figures).map(
    ({ name, measured, aim, isMet }) => `| ${name} | ${measured} | ${aim} | ${isMet ? "yes" : "no"} |`,
  );
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 1e9)} GB`;
  return [
    `Machine: ${machine}, ${runtime}; ${ledger}${edge}. Peak (closed loop): ${Math.round(peakPerS)} per second.`,
    `Node: ${(cpuShare * 100).toFixed(0)} % of a core on average, at most ${Math.round(memoryMbMax)} MiB. Load generator included on the same cores.`,
    "",
    "| aim | measured | asked for | met |",
    "| --- | ---: | ---: | --- |",
    ...judged,
    "",
    "| phase | requests | accepted per second | accepted p50 ms | p99 ms | refused p50 ms | p99 ms | answers |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ...phases,
    "",
  ].join("\n");
}
