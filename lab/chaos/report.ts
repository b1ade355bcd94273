/**
 * What a run of the laboratory found, for people and for programs: a line a repetition, a table a scenario, JSON of both.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const VIOLATIONS_SHOWN_MAX = 8;
const VIOLATION_CHARACTERS_MAX = 500;

/** One repetition. Durations in milliseconds. */
export interface RepetitionReport {
  readonly scenario: string;
  readonly variant: string;
  readonly repetition: number;
  readonly seed: number;
  readonly saleId: string;
  /** What was done, to whom. */
  readonly injections: readonly string[];
  /** The longest time in which nobody could buy, from the injection on, or from healing on where the fault lasts. */
  readonly downtimeMs: number;
  /** From healing until the books balanced and holds could be sold anew. */
  readonly recoveryMs: number;
  readonly requests: number;
  readonly accepted: number;
  readonly unanswered: number;
  /** Acceptances that did not become orders; those that are nowhere at all are violations besides. */
  readonly lost: number;
  readonly oversold: number;
  readonly stranded: number;
  readonly linearization: string;
  readonly epochs: number;
  readonly tookMs: number;
  readonly violations: readonly string[];
}

/** All repetitions of a scenario. */
export interface ScenarioSummary {
  readonly scenario: string;
  readonly title: string;
  readonly repetitions: number;
  readonly injections: number;
  readonly failed: number;
  readonly downtimeMsP50: number;
  readonly downtimeMsMax: number;
  readonly recoveryMsMax: number;
  readonly lost: number;
  readonly oversold: number;
  readonly stranded: number;
  readonly linearized: number;
  readonly tookMsMean: number;
  /** Variants that this machine could not run, and why. */
  readonly leftOut: readonly string[];
}

export interface ChaosReport {
  readonly seed: number;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly scenarios: readonly ScenarioSummary[];
  readonly repetitions: readonly RepetitionReport[];
}

/** The figures of a scenario. */
export function summarize(
  scenario: { readonly id: string; readonly title: string },
  repetitions: readonly RepetitionReport[],
  leftOut: readonly string[],
): ScenarioSummary {
  const own = repetitions.filter((report) => report.scenario === scenario.id);
  const downtimes = own.map((report) => report.downtimeMs).sort((a, b) => a - b);
  const sum = (figure: (report: RepetitionReport) => number): number =>
    own.reduce((total, report) => total + figure(report), 0);
  return {
    scenario: scenario.id,
    title: scenario.title,
    repetitions: own.length,
    injections: sum((report) => report.injections.length),
    failed: own.filter((report) => report.violations.length > 0).length,
    downtimeMsP50: downtimes[Math.floor((downtimes.length - 1) / 2)] ?? 0,
    downtimeMsMax: downtimes.at(-1) ?? 0,
    recoveryMsMax: Math.max(0, ...own.map((report) => report.recoveryMs)),
    lost: sum((report) => report.lost),
    oversold: sum((report) => report.oversold),
    stranded: sum((report) => report.stranded),
    linearized: own.filter((report) => report.linearization === "linearizable").length,
    tookMsMean: own.length === 0 ? 0 : sum((report) => report.tookMs) / own.length,
    leftOut,
  };
}

/** One repetition in one line. */
export function describeRepetition(report: RepetitionReport): string {
  const { scenario, variant, repetition, downtimeMs, recoveryMs, accepted, tookMs, violations } = report;
  const verdict = violations.length === 0 ? "ok" : `FAILED (${violations.length})`;
  const figures = `down ${seconds(downtimeMs)} · settled ${seconds(recoveryMs)} · ${accepted} accepted · ${seconds(tookMs)}`;
  const lines = [
    `${scenario} #${repetition} ${variant}: ${verdict} · ${figures}`,
    `    ${report.injections.join("; ")}`,
  ];
  for (const violation of violations.slice(0, VIOLATIONS_SHOWN_MAX)) {
    lines.push(`    ! ${violation.slice(0, VIOLATION_CHARACTERS_MAX)}`);
  }
  return lines.join("\n");
}

/** The whole run as a table and a verdict. */
export function describeRun(report: ChaosReport): string {
  const header = [
    "",
    "runs",
    "injected",
    "failed",
    "down p50",
    "down max",
    "settled max",
    "lost",
    "oversold",
    "stranded",
  ];
  const rows = report.scenarios.map((one) => [
    one.scenario,
    one.repetitions,
    one.injections,
    one.failed,
    seconds(one.downtimeMsP50),
    seconds(one.downtimeMsMax),
    seconds(one.recoveryMsMax),
    one.lost,
    one.oversold,
    one.stranded,
  ]);
  const table = renderRows([header, ...rows.map((row) => row.map(String))]);
  const leftOut = report.scenarios.flatMap((one) => one.leftOut.map((why) => `Left out: ${one.scenario} ${why}`));
  const failed = report.scenarios.reduce((sum, one) => sum + one.failed, 0);
  const injections = report.scenarios.reduce((sum, one) => sum + one.injections, 0);
  const verdict =
    failed === 0
      ? `${injections} injections in ${report.repetitions.length} repetitions, seed ${report.seed}: every promise was kept.`
      : `${failed} of ${report.repetitions.length} repetitions BROKE a promise, seed ${report.seed}.`;
  return [table, ...leftOut, `${verdict} ${seconds(report.tookMs)}`].join("\n");
}

/** Writes report.json and report.txt. */
export function writeReport(folder: string, report: ChaosReport): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  const repetitions = report.repetitions.map(describeRepetition).join("\n");
  writeFileSync(join(folder, "report.txt"), `${describeRun(report)}\n\n${repetitions}\n`);
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(durationMs < 10_000 ? 2 : 1)} s`;
}

function renderRows(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ")).join("\n");
}
