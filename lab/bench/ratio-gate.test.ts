/** The gate's arithmetic, and the committed bounds. */
import { describe, expect, test } from "bun:test";
import { agreementOf, type Figures, GROUPS, type LadderRow, meanFigures, ratioOf } from "./ladder-row.ts";
import { BOUNDS_FILE, type Bound, boundsFrom, boundsOf, judgeRatios, readBounds } from "./ratio-gate.ts";

const figures = (perS: number, cpuUs: number, more: Partial<Figures> = {}): Figures => ({
  perS,
  cpuUs,
  cpuUsByPart: { nodes: cpuUs },
  latencyMsP50: null,
  latencyMsP99: null,
  ...more,
});

const row = (changes: Partial<LadderRow> = {}): LadderRow => ({
  id: "bun/latch",
  group: "http",
  name: "latch",
  figures: figures(60_000, 20),
  limit: { name: "bare server", figures: figures(100_000, 10) },
  problem: null,
  ...changes,
});

const bound = (changes: Partial<Bound> = {}): Bound => ({
  row: "bun/latch",
  measure: "throughput",
  atLeast: 0.6,
  ...changes,
});

describe("a ratio", () => {
  test("is a share of the limit: more is better, whatever is measured", () => {
    expect(ratioOf(row(), "throughput")).toBeCloseTo(0.6);
    expect(ratioOf(row(), "processor")).toBeCloseTo(0.5);
    const limit = { name: "minimal", figures: figures(1, 1, { scriptUs: 4 }) };
    expect(ratioOf(row({ figures: figures(1, 1, { scriptUs: 5 }), limit }), "script")).toBeCloseTo(0.8);
  });

  test("cannot be said without a limit, or without what it compares", () => {
    expect(ratioOf(row({ limit: null }), "throughput")).toBeNaN();
    expect(ratioOf(row(), "script")).toBeNaN();
    expect(ratioOf(row({ figures: figures(1, 0) }), "processor")).toBeNaN();
  });

  test("of agreement does not depend on who is larger", () => {
    expect(agreementOf(90, 100)).toBeCloseTo(0.9);
    expect(agreementOf(100, 90)).toBeCloseTo(0.9);
  });

  test("is of the mean of the limits before and after", () => {
    const mean = meanFigures([figures(80_000, 8, { latencyMsP99: 2 }), figures(120_000, 12)]);
    expect(mean).toEqual({ ...figures(100_000, 10), latencyMsP99: 2 });
  });
});

describe("the gate", () => {
  const judge = (rows: readonly LadderRow[], bounds: readonly Bound[], tolerance = 0.1) =>
    judgeRatios(rows, { tolerance, bounds }).map(({ isMet }) => isMet);

  test("lets pass what is at its bound or within the tolerance below it", () => {
    expect(judge([row()], [bound()])).toEqual([true]);
    expect(judge([row({ figures: figures(54_001, 20) })], [bound()])).toEqual([true]);
  });

  test("stops what is further below", () => {
    expect(judge([row({ figures: figures(53_999, 20) })], [bound()])).toEqual([false]);
    expect(judge([row()], [bound({ atLeast: 0.7 })])).toEqual([false]);
    expect(judge([row()], [bound({ measure: "processor" })])).toEqual([false]);
  });

  test("stops a row that was not measured, has wrong answers, or no ratio", () => {
    expect(judge([], [bound()])).toEqual([false]);
    expect(judge([row({ problem: "expected empty" })], [bound()])).toEqual([false]);
    expect(judge([row()], [bound({ measure: "script" })])).toEqual([false]);
    expect(judge([row({ limit: null })], [bound()])).toEqual([false]);
  });

  test("asks for the bounds of the groups that were asked for, with rows or without", () => {
    const all = { tolerance: 0.1, bounds: [bound({ row: "bun/http/latch" }), bound({ row: "bun/accepted/signed" })] };
    expect(boundsOf(all, ["http"]).bounds.map(({ row: id }) => id)).toEqual(["bun/http/latch"]);
    expect(judgeRatios([], boundsOf(all, GROUPS)).map(({ isMet, text }) => [isMet, text])).toEqual([
      [false, "bun/http/latch, throughput: not measured"],
      [false, "bun/accepted/signed, throughput: not measured"],
    ]);
  });

  test("draws new bounds below a run, which that run passes, and none for what went wrong", () => {
    const drawn = boundsFrom(
      [row(), row({ id: "bun/wrong", problem: "x" }), row({ id: "bun/bare", limit: null })],
      0.1,
    );
    expect(drawn.bounds.map(({ row: id, measure, atLeast }) => [id, measure, atLeast])).toEqual([
      ["bun/latch", "throughput", 0.57],
      ["bun/latch", "processor", 0.475],
    ]);
    expect(judgeRatios([row()], drawn).every(({ isMet }) => isMet)).toBe(true);
  });
});

test("the committed bounds are readable, each once, and cover every group", () => {
  const { bounds, tolerance } = readBounds(BOUNDS_FILE);
  expect(tolerance).toBeLessThanOrEqual(0.2);
  const names = bounds.map((one) => `${one.row} ${one.measure}`);
  expect(new Set(names).size).toBe(names.length);
  const groups = new Set(bounds.map((one) => one.row.split("/")[1]));
  expect([...groups].sort()).toEqual([...GROUPS].sort());
});
