/**
 * What an axis of growth is: one number made larger, and what a decision then costs.
 *
 * The cost is processor time, not time: it is summed over all server processes and does not depend on who else uses the
 * machine as much as a rate does. Where two sizes are compared, both deployments run and are asked in turns, and the figure is the
 * median of the rounds' ratios: a machine that gets slower for a minute is slower for both.
 */

import type { Runtime } from "../../test/support/node-process.ts";
import type { LedgerKind } from "../bench/deployment.ts";
import { type Figures, meanFigures } from "../bench/ladder-row.ts";
import type { LineChartOptions } from "../charts/line-chart.ts";

export const AXES = ["buyers", "items", "sales", "connections", "nodes", "memory"] as const;
export type AxisName = (typeof AXES)[number];

export interface GrowthOptions {
  readonly runtime: Runtime;
  readonly ledger: LedgerKind;
  /** Sizes so small that the run shows only that everything works. */
  readonly isSmoke: boolean;
  readonly tell: (text: string) => void;
  /** Answers that were not as expected. */
  readonly complain: (text: string) => void;
}

export interface AxisResult {
  readonly axis: AxisName;
  readonly title: string;
  readonly charts: readonly LineChartOptions[];
  readonly table: { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };
  /** What is asked for, and whether this run has it. */
  readonly verdicts: readonly { readonly text: string; readonly isMet: boolean }[];
  readonly notes: readonly string[];
  /** What the sizing guide takes from here, by name with its unit. */
  readonly figures: Readonly<Record<string, number>>;
}

/** Two sizes asked in turns. */
export interface Comparison {
  readonly few: Figures;
  readonly many: Figures;
  /** What a decision costs among many over what it costs among few: the median of the rounds. */
  readonly ratio: number;
}

/** Asks both in each round; who is first changes from round to round. */
export async function inTurns(
  rounds: number,
  few: () => Promise<Figures>,
  many: () => Promise<Figures>,
): Promise<Comparison> {
  const pairs: { few: Figures; many: Figures }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) {
      const first = await few();
      pairs.push({ few: first, many: await many() });
    } else {
      const first = await many();
      pairs.push({ many: first, few: await few() });
    }
  }
  return {
    few: meanFigures(pairs.map((pair) => pair.few)),
    many: meanFigures(pairs.map((pair) => pair.many)),
    ratio: median(pairs.map((pair) => pair.many.cpuUs / pair.few.cpuUs)),
  };
}

/** The middle value; the mean of both middle ones of an even number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** The slope of the straight line through the points that misses them least; NaN of fewer than two. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

/** Parts of a cost in one cell: "nodes 20.1, redis 3.2". */
export function renderParts({ cpuUsByPart }: Figures): string {
  return Object.entries(cpuUsByPart)
    .map(([part, cpuUs]) => `${part} ${cpuUs.toFixed(1)}`)
    .join(", ");
}

/** A whole number with thousands apart. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}
