/**
 * What a mixed run came to: whose the units are, whom the gate refused by mistake, which layer stopped whom.
 *
 * Pure. A run that was not hostile enough, or not balanced, proves nothing and fails like one that missed a target.
 */
import type { Audit } from "../operator-client.ts";
import { table } from "../report.ts";
import { type AnswerCounts, countHeard, LAYERS } from "./answer-book.ts";
import { POPULATION_NAMES, POPULATIONS, type Population } from "./populations.ts";

/** Everything that was counted. */
export interface MixedFigures {
  readonly honestCount: number;
  readonly stock: number;
  readonly counts: AnswerCounts;
  /** Answers of 500 and more that were none of the shop's own. */
  readonly surprises: readonly string[];
  /** Accounts of the hostile that the sale's rule lets in. */
  readonly hostileOldAccounts: number;
  /** How late both pressed, in the middle, because the machine was busy. */
  readonly latenessMs: { readonly honest: number; readonly scalpers: number };
  /** How the honest buyers' stories ended, and how many so. */
  readonly ends: Readonly<Record<string, number>>;
  /** Units held or paid at the end, by population; "nobody" = by buyers whom nobody played. */
  readonly units: Readonly<Record<string, number>>;
  readonly audit: Audit;
}

/** The targets. */
export const HOSTILE_UNITS_SHARE_MAX = 0.05;
export const FALSE_REFUSALS_SHARE_MAX = 0.005;
export const HOSTILE_TRAFFIC_SHARE_MIN = 0.9;
/** People need 180 ms at least: scalpers who are later than that have lost what makes them dangerous. */
export const SCALPERS_LATE_MS_MAX = 150;

export interface MixedShares {
  /** Of all requests. */
  readonly hostileTraffic: number;
  /** Of the stock. */
  readonly hostileUnits: number;
  readonly honestUnits: number;
  /** Of the honest buyers. */
  readonly falseRefusals: number;
}

const REFUSED = "refused: ";

export function sharesOf(figures: MixedFigures): MixedShares {
  const { counts, units, stock, ends, honestCount } = figures;
  const all = countHeard(counts, {});
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const honestUnits = units["honest"] ?? 0;
  const refused = Object.entries(ends).filter(([end]) => end.startsWith(REFUSED));
  return {
    hostileTraffic: all === 0 ? 0 : 1 - countHeard(counts, { population: "honest" }) / all,
    hostileUnits: (sum(Object.values(units)) - honestUnits) / stock,
    honestUnits: honestUnits / stock,
    falseRefusals: sum(refused.map(([, count]) => count)) / honestCount,
  };
}

/** What was missed; empty = nothing. */
export function problemsOf(figures: MixedFigures): readonly string[] {
  const { ends, honestCount, audit, stock, units, latenessMs } = figures;
  const { hostileTraffic, hostileUnits, falseRefusals } = sharesOf(figures);
  const problems: string[] = [];
  const told = Object.values(ends).reduce((sum, count) => sum + count, 0);
  const taken = Object.values(units).reduce((sum, count) => sum + count, 0);
  if (told !== honestCount) problems.push(`${told} of ${honestCount} honest stories were told to their end`);
  if (hostileTraffic < HOSTILE_TRAFFIC_SHARE_MIN) {
    problems.push(`only ${percent(hostileTraffic)} of the requests were hostile: this run proves nothing`);
  }
  if (hostileUnits > HOSTILE_UNITS_SHARE_MAX) {
    problems.push(
      `hostile buyers hold ${percent(hostileUnits)} of the units, more than ${percent(HOSTILE_UNITS_SHARE_MAX)}`,
    );
  }
  if (falseRefusals > FALSE_REFUSALS_SHARE_MAX) {
    problems.push(
      `${percent(falseRefusals)} of the honest were refused, more than ${percent(FALSE_REFUSALS_SHARE_MAX)}`,
    );
  }
  if (latenessMs.scalpers > SCALPERS_LATE_MS_MAX) {
    problems.push(
      `the scalpers pressed ${latenessMs.scalpers} ms late: this machine was too busy for the run to prove anything`,
    );
  }
  for (const surprise of figures.surprises) problems.push(`an answer that nothing explains: ${surprise}`);
  if (taken > stock) problems.push(`${taken} units are held or sold, of ${stock}`);
  if (!audit.balanced || audit.violations.length > 0) problems.push("the audit of the sale does not balance");
  return problems;
}

/** The report for a person. */
export function renderMixed(figures: MixedFigures): string {
  const { hostileTraffic, hostileUnits, honestUnits, falseRefusals } = sharesOf(figures);
  const problems = problemsOf(figures);
  return [
    unitsTable(figures),
    layersTable(figures.counts),
    reasonsTable(figures.counts),
    endsTable(figures),
    `Late by ${figures.latenessMs.scalpers} ms (scalpers) and ${figures.latenessMs.honest} ms (honest), in the middle.`,
    `The rule about accounts alone would leave the hostile ${percent(figures.hostileOldAccounts / figures.stock)} of the units.`,
    `Requests: ${percent(hostileTraffic)} hostile. Units: ${percent(honestUnits)} honest, ${percent(hostileUnits)} hostile (at most ${percent(HOSTILE_UNITS_SHARE_MAX)}). Honest refused: ${percent(falseRefusals)} (at most ${percent(FALSE_REFUSALS_SHARE_MAX)}).`,
    problems.length === 0
      ? "VERDICT: the gate held."
      : `VERDICT: missed.\n${problems.map((problem) => `- ${problem}`).join("\n")}`,
  ].join("\n\n");
}

function unitsTable({ counts, units, stock }: MixedFigures): string {
  const owners = [...POPULATION_NAMES, "nobody" as const];
  const lines = owners
    .filter((owner) => owner !== "nobody" || (units[owner] ?? 0) > 0)
    .map((owner) => [
      owner,
      owner === "nobody" ? "buyers whom nobody played" : POPULATIONS[owner],
      owner === "nobody" ? "" : number(countHeard(counts, { population: owner })),
      number(units[owner] ?? 0),
      percent((units[owner] ?? 0) / stock),
    ]);
  return table(["population", "who they are", "requests", "units", "share"], lines);
}

function layersTable(counts: AnswerCounts): string {
  const lines = POPULATION_NAMES.map((population) => [
    population,
    ...LAYERS.map((layer) => number(countHeard(counts, { population, layer }))),
    stoppedMostlyBy(counts, population),
  ]);
  return table(["requests that ended at", ...LAYERS, "stopped mostly by"], lines);
}

/** The layer that refused the population most often. */
function stoppedMostlyBy(counts: AnswerCounts, population: Population): string {
  let most = "";
  let mostCount = 0;
  for (const layer of LAYERS) {
    if (layer === "served" || layer === "units") continue;
    const count = countHeard(counts, { population, layer });
    if (count > mostCount) [most, mostCount] = [layer, count];
  }
  return most;
}

const REASONS_EACH = 6;

function reasonsTable(counts: AnswerCounts): string {
  const lines: string[][] = [];
  for (const population of POPULATION_NAMES) {
    const rows = Object.entries(counts)
      .map(([row, count]) => ({ names: row.split("|"), count }))
      .filter(({ names }) => names[0] === population && names[1] !== "served")
      .sort((left, right) => right.count - left.count)
      .slice(0, REASONS_EACH);
    for (const { names, count } of rows) lines.push([population, names[1] ?? "", names[2] ?? "", number(count)]);
  }
  return table(["population", "layer", "answer", "requests"], lines);
}

function endsTable({ ends, honestCount }: MixedFigures): string {
  const lines = Object.entries(ends)
    .sort(([, left], [, right]) => right - left)
    .map(([end, count]) => [end, number(count), percent(count / honestCount)]);
  return table(["how the honest fared", "buyers", "share"], lines);
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
