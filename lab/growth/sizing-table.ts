/**
 * The figures of the sizing guide, each with the file and the member it is read from.
 *
 * The rows stand in the page itself: the last cell names where the figure comes from, so that the page can be read without this
 * file, and a row can be added there without touching it.
 */
import type { LadderRun } from "../bench/ladder-report.ts";
import type { GrowthRun } from "./growth-report.ts";
import type { SoakVerdict } from "./soak-verdict.ts";

export interface SoakRun {
  readonly day: string;
  readonly processes: readonly { readonly part: string; readonly verdict: SoakVerdict }[];
}

/** Null = not measured now. */
export interface MeasuredRuns {
  readonly ladder: Pick<LadderRun, "day" | "rows"> | null;
  readonly growth: Pick<GrowthRun, "day" | "results"> | null;
  readonly soak: SoakRun | null;
}

const TABLE = /(<!-- figures:[^\n]*\n)([\s\S]*?)(<!-- \/figures -->)/;
const ROW = /^\| (.*) \| ([^|]*) \| ((?:ladder|growth|soak)\.json), ([^|]*) \|$/;
const MIB = 1_048_576;

/** The page with the figures that were measured, and the places where the files had none. */
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
      const figure = figureOf(file, place, runs);
      if (figure === undefined) return line;
      if (figure === null) missing.push(`${file}, ${place}`);
      return figure === null ? line : `| ${what} | ${figure} | ${file}, ${place} |`;
    });
    return head + lines.join("\n") + end;
  });
  return { page: filled, missing };
}

/** Undefined = that file was not given; null = it has no such figure. */
function figureOf(file: string, place: string, { ladder, growth, soak }: MeasuredRuns): string | null | undefined {
  if (file === "ladder.json") return ladder === null ? undefined : ofLadder(place, ladder);
  if (file === "growth.json") return growth === null ? undefined : ofGrowth(place, growth);
  return soak === null ? undefined : ofSoak(place, soak);
}

/** "`row`, cpuUs". */
function ofLadder(place: string, { rows }: Pick<LadderRun, "rows">): string | null {
  const id = /^`([^`]+)`, cpuUs$/.exec(place)?.[1];
  const row = rows.find((one) => one.id === id);
  return row === undefined ? null : inUnit("cpuUs", row.figures.cpuUs);
}

/** "axis, name of the figure". */
function ofGrowth(place: string, { results }: Pick<GrowthRun, "results">): string | null {
  const [axis, ...name] = place.split(", ");
  const figure = results.find((one) => one.axis === axis)?.figures[name.join(", ")];
  return figure === undefined || figure === null || !Number.isFinite(figure) ? null : inUnit(name.join(", "), figure);
}

/** "part, member of the verdict". */
function ofSoak(place: string, { processes }: SoakRun): string | null {
  const [part] = place.split(", ");
  const bytes = processes.filter((one) => one.part === part).map(({ verdict }) => verdict.residentBytesAfter);
  return bytes.length === 0 ? null : `${Math.round(Math.max(...bytes) / MIB)} MiB`;
}

/** The unit is the end of the name. */
function inUnit(name: string, value: number): string {
  if (name.endsWith("Us")) return `${value.toFixed(1)} µs`;
  if (name.endsWith("bytes")) return `${Math.round(value).toLocaleString("en")} B`;
  return `${value.toFixed(2)} ×`;
}
