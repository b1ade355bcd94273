/** What counts as flat. */
import { describe, expect, test } from "bun:test";
import { median, slopeOf } from "./axis.ts";
import { judgeAnswers, judgeSoak, type SoakSample } from "./soak-verdict.ts";

const MIB = 1_048_576;
const looks = (count: number, at: (index: number) => Partial<SoakSample>): readonly SoakSample[] =>
  Array.from({ length: count }, (_, index) => ({
    atMs: index * 1_000,
    residentBytes: 100 * MIB,
    openFiles: 50,
    ...at(index),
  }));

describe("a soak", () => {
  test("that rises while it warms up and then stays is flat", () => {
    const samples = looks(600, (index) => ({ residentBytes: Math.min(100, 40 + index) * MIB }));
    expect(judgeSoak(samples)).toMatchObject({ isFlat: true, residentGrowth: 0 });
  });

  test("that goes on rising is not", () => {
    const samples = looks(600, (index) => ({ residentBytes: (100 + index * 0.02) * MIB }));
    const { isFlat, residentGrowth } = judgeSoak(samples);
    expect(residentGrowth).toBeGreaterThan(0.05);
    expect(isFlat).toBe(false);
  });

  test("is not judged by single looks", () => {
    const samples = looks(600, (index) => (index > 590 ? { residentBytes: 500 * MIB } : {}));
    expect(judgeSoak(samples).isFlat).toBe(true);
  });

  test("that opens ever more files is not flat, one whose connections come and go is", () => {
    expect(judgeSoak(looks(600, (index) => ({ openFiles: 50 + Math.floor(index / 60) }))).isFlat).toBe(false);
    expect(judgeSoak(looks(600, (index) => ({ openFiles: index % 20 < 5 ? 20 : 84 }))).isFlat).toBe(true);
  });

  test("of a process that was gone at any look is not flat, however little it held", () => {
    const gone = (from: number, to: number) =>
      judgeSoak(looks(600, (index) => (index >= from && index < to ? { residentBytes: 0, openFiles: 0 } : {})));
    for (const verdict of [gone(0, 600), gone(300, 600), gone(599, 600), gone(300, 301)]) {
      expect(verdict).toMatchObject({ isGone: true, isFlat: false });
    }
    expect(judgeSoak(looks(600, () => ({})))).toMatchObject({ isGone: false, isFlat: true });
  });

  test("of a few looks says nothing, and says so", () => {
    expect(() => judgeSoak(looks(3, () => ({})))).toThrow("say nothing");
    expect(judgeSoak(looks(10, () => ({}))).isFlat).toBe(true);
  });
});

describe("the answers of a soak", () => {
  const judge = (outcomes: Record<string, number>, unanswered = 0) =>
    judgeAnswers("accepted", { outcomes, unanswered }, ["accepted", "queued"]);

  test("are right when they are as expected but for one in a hundred", () => {
    expect(judge({ accepted: 900, queued: 90, unavailable: 10 })).toEqual([]);
    expect(judge({ accepted: 900, queued: 89, unavailable: 11 })).toEqual([
      'accepted: expected accepted or queued, got {"accepted":900,"queued":89,"unavailable":11}',
    ]);
  });

  test("may be busy now and then, and may not be missing", () => {
    expect(judge({ accepted: 75, busy: 25 })).toEqual([]);
    expect(judge({ accepted: 74, busy: 26 })).toEqual(["accepted: 26 of 100 were told that the node is busy"]);
    expect(judge({ accepted: 1_000 }, 1)).toEqual(["accepted: 1 requests had no answer"]);
  });

  test("of a load that was never answered as it should are wrong", () => {
    expect(judge({})).toEqual(["accepted: expected accepted or queued, got {}"]);
    expect(judge({ empty: 1_000 })).toHaveLength(1);
  });
});

describe("the arithmetic of growth", () => {
  test("takes the middle, or the mean of both middles", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test("finds the slope of a line, and of one that is nearly straight", () => {
    const line = [0, 1, 2, 3].map((x) => [x, 7 + 40 * x] as const);
    expect(slopeOf(line)).toBeCloseTo(40, 9);
    const crooked = [
      [0, 0],
      [1, 2],
      [2, 2],
      [3, 4],
    ] as const;
    expect(slopeOf(crooked)).toBeCloseTo(1.2, 9);
    expect(slopeOf([[1, 1]])).toBeNaN();
  });
});
