/**
 * The figures of the sizing guide, each with the file and the member it is read from.
 *
 * The rows stand in the page itself: the last cell names where the figure comes from, so that the page can be read without this
 * file, and a row can be added there without touching it. Only what was measured right becomes a figure: not what a smoke run
 * shows, nor what was measured with wrong answers, nor the memory of a process that grew or ended.
 */
import type { LadderRun } from "../bench/ladder-report.ts";
import { LADDER_TIMES } from "../bench/ladder-run.ts";
import type { GrowthRun } from "./growth-report.ts";
import type { SoakVerdict } from "./soak-verdict.ts";

export interface SoakRun {
  readonly day: string;
  /** Wrong answers, and processes that ended. */
  readonly problems: readonly string[];
  readonly processes: readonly { readonly part: string; readonly verdict: SoakVerdict }[];
}

/** Null = not measured now. */
export interface MeasuredRuns {
  readonly ladder: Pick<LadderRun, "day" | "times" | "rows"> | null;
  readonly growth: Pick<GrowthRun, "day" | "isSmoke" | "results" | "problems"> | null;
  readonly soak: SoakRun | null;
}

const TABLE = /(<!-- figures:[^\n]*\n)([\s\S]*?)(<!-- \/figures -->)/;
const ROW = /^\| (.*) \| ([^|]*) \| ((?:ladder|growth|soak)\.json), ([^|]*) \|$/;
const MIB = 1_048_576;

/** A figure, or why there is none. */
type Found = { readonly figure: string } | { readonly why: string };

const NOT_MEASURED: Found = { why: "not in that run" };
const SMOKE: Found = { why: "of a smoke run, which proves nothing" };

/** The page with the figures that were measured, and the places that stay as they were, each with the reason. */
export function fillSizing(
  page: string,
  runs: MeasuredRuns,
): { readonly page: string; readonly missing: readonly string[] } {
  const missing: string[] = [];
  if (!TABLE.test(page)) throw new Error("the page has no table of figures");
  const filled = page.replace(TABLE, (_, head: string, rows: string, end: string) => {
    const lines = rows.split("\n").map((line) => {
      const [, what, , file = "", place = ""] = ROW.exec(line) ?? [];
      if (what === undefined) return line;
      const found = findFigure(file, place, runs);
      if (found === null) return line;
      if ("figure" in found) return `| ${what} | ${found.figure} | ${file}, ${place} |`;
      missing.push(`${file}, ${place}: ${found.why}`);
      return line;
    });
    return head + lines.join("\n") + end;
  });
  return { page: filled, missing };
}

/** Null = that file was not given. */
function findFigure(file: string, place: string, { ladder, growth, soak }: MeasuredRuns): Found | null {
  if (file === "ladder.json") return ladder === null ? null : ofLadder(place, ladder);
  if (file === "growth.json") return growth === null ? null : ofGrowth(place, growth);
  return soak === null ? null : ofSoak(place, soak);
}

/** "`row`, cpuUs". */
function ofLadder(place: string, { times, rows }: NonNullable<MeasuredRuns["ladder"]>): Found {
  if (times.durationMs <= LADDER_TIMES.smoke.durationMs) return SMOKE;
  const id = /^`([^`]+)`, cpuUs$/.exec(place)?.[1];
  const row = rows.find((one) => one.id === id);
  if (row === undefined || !Number.isFinite(row.figures.cpuUs)) return NOT_MEASURED;
  return row.problem === null ? { figure: inUnit("cpuUs", row.figures.cpuUs) } : { why: row.problem };
}

/** "axis, name of the figure". */
function ofGrowth(place: string, { isSmoke, results, problems }: NonNullable<MeasuredRuns["growth"]>): Found {
  if (isSmoke) return SMOKE;
  const [axis, ...name] = place.split(", ");
  const figure = results.find((one) => one.axis === axis)?.figures[name.join(", ")];
  if (figure === undefined || figure === null || !Number.isFinite(figure)) return NOT_MEASURED;
  const problem = problems.find((one) => one.axis === axis);
  return problem === undefined ? { figure: inUnit(name.join(", "), figure) } : { why: problem.text };
}

/** "part, member of the verdict". */
function ofSoak(place: string, { problems, processes }: SoakRun): Found {
  const [part] = place.split(", ");
  const own = processes.filter((one) => one.part === part);
  if (own.length === 0) return NOT_MEASURED;
  const [problem] = problems;
  if (problem !== undefined) return { why: problem };
  if (own.some(({ verdict }) => !verdict.isFlat)) return { why: "it went on growing" };
  const bytes = Math.max(...own.map(({ verdict }) => verdict.residentBytesAfter));
  return { figure: `${Math.round(bytes / MIB)} MiB` };
}

/** The unit is the end of the name. */
function inUnit(name: string, value: number): string {
  if (name.endsWith("Us")) return `${value.toFixed(1)} µs`;
  if (name.endsWith("bytes")) return `${Math.round(value).toLocaleString("en")} B`;
  return `${value.toFixed(2)} ×`;
}
