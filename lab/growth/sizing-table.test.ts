/** The sizing guide's table is filled from measurements, and says what it could not find. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fillSizing, type MeasuredRuns } from "./sizing-table.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/operating/sizing.md"), "utf8");
const NOTHING: MeasuredRuns = { ladder: null, growth: null, soak: null };

const growth: MeasuredRuns["growth"] = {
  day: "2026-11-22",
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

const rowWith = (page: string, place: string): string =>
  page.split("\n").find((line) => line.endsWith(`${place} |`)) ?? "";

test("a figure is put where its row says that it comes from, with its unit", () => {
  const { page } = fillSizing(PAGE, { ...NOTHING, growth });
  expect(rowWith(page, "memory, event stream, nodes, bytes")).toContain("| 12,346 B | growth.json");
  const soak = {
    day: "2026-11-22",
    processes: [
      {
        part: "nodes",
        verdict: {
          residentBytesBefore: 0,
          residentBytesAfter: 100 * 1_048_576,
          residentGrowth: 0,
          openFilesBefore: 0,
          openFilesAfter: 0,
          isFlat: true,
        },
      },
    ],
  };
  expect(rowWith(fillSizing(PAGE, { ...NOTHING, soak }).page, "nodes, residentBytesAfter")).toContain("| 100 MiB |");
});

test("what was not measured stays as it was, and what a file does not have is told", () => {
  expect(fillSizing(PAGE, NOTHING)).toEqual({ page: PAGE, missing: [] });
  const { page, missing } = fillSizing(PAGE, { ...NOTHING, growth });
  expect(missing).toContain("growth.json, nodes, nodeUs");
  expect(rowWith(page, "nodes, nodeUs")).toBe(rowWith(PAGE, "nodes, nodeUs"));
});

test("every row of the page names a place that the measurements can have", () => {
  const places = [...PAGE.matchAll(/(ladder|growth|soak)\.json, ([^|]+) \|$/gm)].map((match) => match[0]);
  const axes = /^growth\.json, (buyers|sales|connections|nodes|memory), /;
  expect(places.length).toBeGreaterThan(10);
  expect(places.filter((place) => place.startsWith("growth") && !axes.test(place))).toEqual([]);
});
