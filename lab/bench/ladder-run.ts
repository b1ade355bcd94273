/**
 * What the groups of the ladder have in common: how long things are loaded, on which runtimes, and who hears of a row.
 */
import type { Runtime } from "../../test/support/node-process.ts";
import { figuresOf, type LoadTimes } from "./bare-limit.ts";
import type { Figures, LadderRow } from "./ladder-row.ts";
import type { Measurement } from "./measure.ts";
import { OTHER_ANSWERS_FRACTION_MAX } from "./paths.ts";

const BUSY_SHARE_MAX = 0.25;

export interface LadderOptions extends LoadTimes {
  readonly runtimes: readonly Runtime[];
  /** Reservations, rows, batches of one measurement: more than can be used up in its time, fewer in a smoke run. */
  readonly countMax: number;
  /** Processes for buyers where reservations are measured. */
  readonly apiProcesses: number;
  readonly tell: (row: LadderRow) => void;
}

/** A full run, a short one for the gate, and one that only shows that everything works. */
export const LADDER_TIMES: Readonly<Record<"full" | "gate" | "smoke", LoadTimes & { readonly countMax: number }>> = {
  full: { warmUpMs: 1_000, durationMs: 3_000, countMax: 120_000 },
  gate: { warmUpMs: 700, durationMs: 1_800, countMax: 80_000 },
  smoke: { warmUpMs: 150, durationMs: 350, countMax: 12_000 },
};

/**
 * The same measurement with reservations alone: what was answered "busy" is no reservation, and what it cost is theirs.
 * A node that shares its cores with others sheds some of a closed loop; with more than a quarter it was not measured at all.
 */
export function goodputOf(measurement: Measurement): { readonly figures: Figures; readonly problem: string | null } {
  const { outcomes } = measurement;
  const all = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const share = ((outcomes["accepted"] ?? 0) + (outcomes["queued"] ?? 0)) / Math.max(1, all);
  const { perS, cpuUs, cpuUsByPart, ...latencies } = figuresOf(measurement);
  const parts = Object.entries(cpuUsByPart).map(([part, ownUs]) => [part, ownUs / share]);
  const figures = { ...latencies, perS: perS * share, cpuUs: cpuUs / share, cpuUsByPart: Object.fromEntries(parts) };
  const expected = share >= 1 - BUSY_SHARE_MAX ? ["accepted", "queued", "busy"] : ["accepted", "queued"];
  return { figures, problem: problemOf(measurement, expected) };
}

/** What was wrong with the answers: other ones than expected, or none; null = as expected. */
export function problemOf({ outcomes, failures }: Measurement, expected: readonly string[]): string | null {
  const all = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const right = expected.reduce((sum, outcome) => sum + (outcomes[outcome] ?? 0), 0);
  const isRight = failures === 0 && all > 0 && all - right <= all * OTHER_ANSWERS_FRACTION_MAX;
  return isRight
    ? null
    : `expected ${expected.join(" or ")}, got ${JSON.stringify(outcomes)}, ${failures} without answer`;
}
