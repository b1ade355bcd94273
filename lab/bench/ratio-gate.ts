/**
 * The gate: ratios of a run against lower bounds that are kept in docs/benchmarks/ratios.json.
 *
 * Ratios, never times: a slower machine is slower at its limit too. A bound gives way by the file's tolerance, because two
 * runs of the same code differ; what was not measured, or measured with wrong answers, has failed. New bounds are made
 * from a run by `npm run bench -- --bounds FILE`, and looked at before they are kept.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Group, type LadderRow, MEASURES, type Measure, ratioOf } from "./ladder-row.ts";

export const BOUNDS_FILE = join(import.meta.dirname, "../../docs/benchmarks/ratios.json");
/** How far below a single run new bounds are drawn. */
const MARGIN = 0.05;

export interface Bound {
  readonly row: string;
  readonly measure: Measure;
  readonly atLeast: number;
}

export interface Bounds {
  /** The share of a bound that a run may miss. */
  readonly tolerance: number;
  readonly bounds: readonly Bound[];
}

export interface GateVerdict {
  readonly bound: Bound;
  /** Null when the row was not measured. */
  readonly found: number | null;
  readonly isMet: boolean;
  /** What to tell about it. */
  readonly text: string;
}

/** Reads the bounds; throws, naming the entry, when one is not what it should be. */
export function readBounds(file: string): Bounds {
  const { tolerance, bounds } = JSON.parse(readFileSync(file, "utf8")) as Bounds;
  if (!(tolerance >= 0 && tolerance < 1)) throw new Error(`${file}: tolerance ${tolerance}`);
  for (const bound of bounds) {
    const isRight = bound.row !== "" && MEASURES.includes(bound.measure) && bound.atLeast > 0;
    if (!isRight) throw new Error(`${file}: ${JSON.stringify(bound)}`);
  }
  return { tolerance, bounds };
}

/** The bounds of these groups, whose name is the second word of a row's id. */
export function boundsOf(all: Bounds, groups: readonly Group[]): Bounds {
  const names: readonly (string | undefined)[] = groups;
  return { ...all, bounds: all.bounds.filter((bound) => names.includes(bound.row.split("/")[1])) };
}

/** One verdict a bound, in the order of the bounds. */
export function judgeRatios(rows: readonly LadderRow[], { tolerance, bounds }: Bounds): readonly GateVerdict[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return bounds.map((bound) => {
    const row = byId.get(bound.row);
    const found = row === undefined ? null : ratioOf(row, bound.measure);
    const least = bound.atLeast * (1 - tolerance);
    // A ratio that is not a number is no pass either.
    const isMet = row !== undefined && row.problem === null && found !== null && found >= least;
    const what = `${bound.row}, ${bound.measure}`;
    const asked = `asked for ${bound.atLeast} less ${Math.round(tolerance * 100)} %`;
    if (row === undefined || found === null) return { bound, found, isMet, text: `${what}: not measured` };
    if (row.problem !== null) return { bound, found, isMet, text: `${what}: ${row.problem}` };
    return { bound, found, isMet, text: `${what}: ${found.toFixed(3)}, ${asked}` };
  });
}

/** Bounds a little below what a run reached, for every row that has a limit and right answers. */
export function boundsFrom(rows: readonly LadderRow[], tolerance: number): Bounds {
  const bounds = rows.flatMap((row) =>
    MEASURES.flatMap((measure) => {
      const ratio = ratioOf(row, measure);
      if (row.problem !== null || Number.isNaN(ratio)) return [];
      return [{ row: row.id, measure, atLeast: Math.floor(ratio * (1 - MARGIN) * 1_000) / 1_000 }];
    }),
  );
  return { tolerance, bounds: bounds.filter(({ atLeast }) => atLeast > 0) };
}
