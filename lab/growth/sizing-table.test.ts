/** The sizing guide's table is filled from measurements, and says what it could not find. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fillSizing, type MeasuredRuns, type SoakRun } from "./sizing-table.ts";
import type { SoakVerdict } from "./soak-verdict.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/operating/sizing.md"), "utf8");
const NOTHING: MeasuredRuns = { ladder: null, growth: null, soak: null };

const growth: NonNullable<MeasuredRuns["growth"]> = {
  day: "2026-11-22",
  isSmoke: false,
  problems: [],
  results: [
    {
      axis: "memory",
      title: "Memory",
      charts: [],
      table: { head: [], rows: [] },
      verdicts: [],
      notes: [],
      figures: { "event stream, nodes, bytes": 12_345.6 },
    },
  ],
};

const soakWith = (changes: Partial<SoakVerdict>, problems: readonly string[] = []): SoakRun => ({
  day: "2026-11-22",
  problems,
  processes: [
    {
      part: "nodes",
      verdict: {
        residentBytesBefore: 0,
        residentBytesAfter: 100 * 1_048_576,
        residentGrowth: 0,
        openFilesBefore: 0,
        openFilesAfter: 0,
        isGone: false,
        isFlat: true,
        ...changes,
      },
    },
  ],
});

const ladderWith = (durationMs: number, problem: string | null): NonNullable<MeasuredRuns["ladder"]> => {
  const figures = { perS: 1, cpuUs: 77.7, cpuUsByPart: {}, latencyMsP50: null, latencyMsP99: null };
  const row = { id: "bun/http/latch-signed", group: "http", name: "latch", figures, limit: null, problem } as const;
  return { day: "2026-11-22", times: { warmUpMs: 100, durationMs }, rows: [row] };
};

const rowWith = (page: string, place: string): string =>
  page.split("\n").find((line) => line.endsWith(`${place} |`)) ?? "";

test("a figure is put where its row says that it comes from, with its unit", () => {
  const { page } = fillSizing(PAGE, { ...NOTHING, growth });
  expect(rowWith(page, "memory, event stream, nodes, bytes")).toContain("| 12,346 B | growth.json");
  const soak = soakWith({});
  expect(rowWith(fillSizing(PAGE, { ...NOTHING, soak }).page, "nodes, residentBytesAfter")).toContain("| 100 MiB |");
  const ladder = ladderWith(3_000, null);
  expect(rowWith(fillSizing(PAGE, { ...NOTHING, ladder }).page, "latch-signed`, cpuUs")).toContain("| 77.7 µs |");
});

test.each([
  ["a smoke run of the ladder", { ladder: ladderWith(350, null) }, "smoke run"],
  ["a row with wrong answers", { ladder: ladderWith(3_000, "expected empty") }, "expected empty"],
  ["a smoke run of growth", { growth: { ...growth, isSmoke: true } }, "smoke run"],
  [
    "an axis with wrong answers",
    { growth: { ...growth, problems: [{ axis: "memory", text: "expected accepted" }] as const } },
    "expected accepted",
  ],
  ["a soak whose node grew", { soak: soakWith({ isFlat: false }) }, "it went on growing"],
  ["a soak with wrong answers", { soak: soakWith({}, ["refused: 3 requests had no answer"]) }, "3 requests"],
])("%s puts no figure into the page, and the place is named with the reason", (_, run, reason) => {
  const { page, missing } = fillSizing(PAGE, { ...NOTHING, ...run });
  expect(page).toBe(PAGE);
  expect(missing.filter((text) => text.includes(reason))).not.toEqual([]);
});

test("the other axes of a run with wrong answers keep their figures", () => {
  const problems = [{ axis: "sales", text: "expected accepted" }] as const;
  const { page } = fillSizing(PAGE, { ...NOTHING, growth: { ...growth, problems } });
  expect(rowWith(page, "memory, event stream, nodes, bytes")).toContain("| 12,346 B |");
});

test("what was not measured stays as it was, and what a file does not have is told", () => {
  expect(fillSizing(PAGE, NOTHING)).toEqual({ page: PAGE, missing: [] });
  const { page, missing } = fillSizing(PAGE, { ...NOTHING, growth });
  expect(missing).toContain("growth.json, nodes, nodeUs: not in that run");
  expect(rowWith(page, "nodes, nodeUs")).toBe(rowWith(PAGE, "nodes, nodeUs"));
});

test("every row of the page names a place that the measurements can have", () => {
  const places = [...PAGE.matchAll(/(ladder|growth|soak)\.json, ([^|]+) \|$/gm)].map((match) => match[0]);
  const axes = /^growth\.json, (buyers|sales|connections|nodes|memory), /;
  expect(places.length).toBeGreaterThan(10);
  expect(places.filter((place) => place.startsWith("growth") && !axes.test(place))).toEqual([]);
});
