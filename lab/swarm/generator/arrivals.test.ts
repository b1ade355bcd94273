/**
 * Schedules are exact: the same seed gives the same instants, parts are the whole, and each curve has the shape it names.
 */
import { describe, expect, test } from "bun:test";
import { type Draw, drawArrivals, inverseOf, type RecordedStretch } from "./arrivals.ts";
import type { Arrivals } from "./scenario.ts";

const COUNT = 50_000;
const WHOLE: Draw = { count: COUNT, seed: 7, stream: 0, isEven: false, part: 0, partCount: 1 };

const SPIKE: Arrivals = { curve: "spike", startMs: 0, durationMs: 40_000, halfLifeMs: 5_000, riseMs: 1_000 };
const POISSON: Arrivals = { curve: "poisson", startMs: 0, durationMs: 10_000 };
const RAMP: Arrivals = { curve: "ramp", startMs: 0, durationMs: 10_000, from: 0, to: 4 };
const REPLAY: Arrivals = { curve: "replay", startMs: 0, file: "f" };
const RECORDED: readonly RecordedStretch[] = [
  { fromMs: 500, untilMs: 1_500, count: 10 },
  { fromMs: 1_500, untilMs: 3_500, count: 0 },
  { fromMs: 3_500, untilMs: 4_500, count: 30 },
];

function draw(arrivals: Arrivals, more: Partial<Draw> = {}): number[] {
  return [...drawArrivals(inverseOf(arrivals, RECORDED), { ...WHOLE, ...more })];
}

function countBetween(instants: readonly number[], fromMs: number, untilMs: number): number {
  return instants.filter((atMs) => atMs >= fromMs && atMs < untilMs).length;
}

/** Within five standard deviations of what a Poisson process has there. */
function expectAbout(count: number, expected: number): void {
  expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(Math.max(1, expected)));
}

describe("a schedule", () => {
  test("is the same for the same seed, and another for another", () => {
    const first = draw(POISSON, { count: 5 });
    expect(first.map((atMs) => atMs.toFixed(6))).toEqual([
      "91.527898",
      "2768.686399",
      "3674.725643",
      "4467.560856",
      "6073.438880",
    ]);
    expect(draw(POISSON, { count: 5 })).toEqual(first);
    expect(draw(POISSON, { count: 5, seed: 8 })).not.toEqual(first);
    expect(draw(POISSON, { count: 5, stream: 1 })).not.toEqual(first);
  });

  test.each([SPIKE, POISSON, RAMP, REPLAY].map((arrivals) => [arrivals.curve, arrivals] as const))(
    "of a %s is in order, inside its time, and the parts together are the whole",
    (_, arrivals) => {
      const whole = draw(arrivals);
      const durationMs = arrivals.durationMs ?? 4_000;
      expect(whole).toHaveLength(COUNT);
      expect(whole.every((atMs, index) => atMs >= (whole[index - 1] ?? 0) && atMs <= durationMs)).toBe(true);
      const parts = [0, 1, 2].flatMap((part) => draw(arrivals, { part, partCount: 3 }));
      expect(parts.sort((left, right) => left - right)).toEqual(whole);
    },
  );
});

describe("the shape", () => {
  test("of a spike: rises to its peak, then halves every half-life", () => {
    const instants = draw(SPIKE);
    const halves = [0, 1, 2, 3].map((index) => countBetween(instants, 1_000 + index * 5_000, 6_000 + index * 5_000));
    for (let index = 1; index < halves.length; index += 1)
      expectAbout(halves[index] ?? 0, (halves[index - 1] ?? 0) / 2);
    // A triangle over the rise: its second half has three quarters.
    const rise = countBetween(instants, 0, 1_000);
    expectAbout(countBetween(instants, 500, 1_000), rise * 0.75);
  });

  test("of a Poisson process: even, with gaps that vary as exponential ones do", () => {
    const instants = draw(POISSON);
    for (let second = 0; second < 10; second += 1) {
      expectAbout(countBetween(instants, second * 1_000, second * 1_000 + 1_000), COUNT / 10);
    }
    const gaps = instants.slice(1).map((atMs, index) => atMs - (instants[index] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
    expect(Math.sqrt(variance) / mean).toBeCloseTo(1, 1);
  });

  test("of an even stream: one distance between all", () => {
    const steady: Arrivals = { curve: "steady", startMs: 0, durationMs: 1_000 };
    expect(draw(steady, { count: 4, isEven: true })).toEqual([125, 375, 625, 875]);
    expect(draw(steady, { count: 5, isEven: true, part: 1, partCount: 2 })).toEqual([300, 700]);
  });

  test("of a ramp from nothing: a quarter comes in the first half", () => {
    expectAbout(countBetween(draw(RAMP), 0, 5_000), COUNT / 4);
    const down = draw({ ...RAMP, from: 4, to: 0 });
    expectAbout(countBetween(down, 0, 5_000), (COUNT * 3) / 4);
  });

  test("of a recorded curve: a stretch has its share, an empty one nobody, and all of it may last longer", () => {
    const instants = draw(REPLAY);
    expectAbout(countBetween(instants, 0, 1_000), COUNT / 4);
    expect(countBetween(instants, 1_001, 2_999)).toBe(0);
    const twice = draw({ ...REPLAY, durationMs: 8_000 });
    expect(twice.map((atMs) => Math.round(atMs * 1_000))).toEqual(instants.map((atMs) => Math.round(atMs * 2_000)));
  });
});
