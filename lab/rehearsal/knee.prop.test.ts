/**
 * The knee finder against services that are monotone, and against ones that are so only nearly.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { kneeOf, lowestMissOf, nextRate, type Search, type Trial, type Verdict } from "./knee.ts";

const SEARCH: Search = { startPerS: 250, maxPerS: 200_000, precision: 1.2 };
const TRIALS_MAX = 60;

/** Searches to the end; a search that has none fails. */
function searchWith(judge: (ratePerS: number) => Verdict, search: Search = SEARCH): readonly Trial[] {
  const trials: Trial[] = [];
  for (;;) {
    const ratePerS = nextRate(trials, search);
    if (ratePerS === null) return trials;
    expect(trials.length).toBeLessThan(TRIALS_MAX);
    trials.push({ ratePerS, verdict: judge(ratePerS) });
  }
}

const capacities = fc.integer({ min: 12, max: 400_000 });
const beyond = (ratePerS: number, capacity: number): Verdict => (ratePerS > capacity * 2 ? "far off" : "missed");

describe("a service that keeps every rate up to its capacity and none above", () => {
  test("is measured to the precision asked for, from below", () => {
    fc.assert(
      fc.property(capacities, (capacity) => {
        const trials = searchWith((ratePerS) => (ratePerS <= capacity ? "kept" : beyond(ratePerS, capacity)));
        const { keptPerS } = kneeOf(trials);
        expect(keptPerS).not.toBeNull();
        expect(keptPerS).toBeLessThanOrEqual(capacity);
        // Whole numbers: at twelve a second the next one is a tenth away.
        const reachable = Math.min(capacity, SEARCH.maxPerS);
        expect(reachable).toBeLessThanOrEqual(Math.ceil((keptPerS ?? 0) * SEARCH.precision) + 1);
      }),
    );
  });

  test("one that can do nothing has no knee, and the search ends", () => {
    for (const verdict of ["missed", "far off"] as const) {
      expect(kneeOf(searchWith(() => verdict)).keptPerS).toBeNull();
    }
  });

  test("one that can do more than is tried was never missed", () => {
    const trials = searchWith(() => "kept");
    expect(kneeOf(trials)).toEqual({ keptPerS: SEARCH.maxPerS, missedPerS: null });
  });
});

describe("a service with noise", () => {
  const noisy = fc.record({
    capacity: fc.integer({ min: 500, max: 100_000 }),
    /** Within this share of the capacity anything may come out. */
    width: fc.double({ min: 0, max: 0.3, noNaN: true }),
    coins: fc.infiniteStream(fc.constantFrom<Verdict>("kept", "missed", "far off")),
  });

  test("is never credited with a rate that was not kept in a trial, nor with one beyond its noise", () => {
    fc.assert(
      fc.property(noisy, ({ capacity, width, coins }) => {
        const trials = searchWith((ratePerS) => {
          if (ratePerS <= capacity * (1 - width)) return "kept";
          if (ratePerS > capacity * (1 + width)) return beyond(ratePerS, capacity);
          return coins.next().value ?? "missed";
        });
        const { keptPerS } = kneeOf(trials);
        expect(trials.some(({ ratePerS, verdict }) => ratePerS === keptPerS && verdict === "kept")).toBe(true);
        expect(keptPerS).toBeLessThanOrEqual(capacity * (1 + width));
        expect((keptPerS ?? 0) * SEARCH.precision + 2).toBeGreaterThanOrEqual(capacity * (1 - width));
      }),
    );
  });

  test("that misses once by a little, and keeps the same rate a moment later, is not held to its bad moment", () => {
    fc.assert(
      fc.property(capacities, fc.integer({ min: 0, max: 20 }), (capacity, badMoment) => {
        const quiet = searchWith((ratePerS) => (ratePerS <= capacity ? "kept" : "far off"));
        let trial = -1;
        const disturbed = searchWith((ratePerS) => {
          trial += 1;
          if (ratePerS > capacity) return "far off";
          return trial === badMoment ? "missed" : "kept";
        });
        expect(kneeOf(disturbed)).toEqual(kneeOf(quiet));
      }),
    );
  });

  test("whenever the time ends, there is a miss above the kept rate unless every rate was kept, and none below it counts", () => {
    fc.assert(
      fc.property(noisy, fc.integer({ min: 1, max: 30 }), ({ capacity, width, coins }, triesMax) => {
        const all = searchWith((ratePerS) => {
          if (ratePerS <= capacity * (1 - width)) return "kept";
          return ratePerS > capacity * (1 + width) ? "missed" : (coins.next().value ?? "missed");
        });
        const trials = all.slice(0, triesMax);
        const { keptPerS, missedPerS } = kneeOf(trials);
        const miss = lowestMissOf(trials);
        const isEachKept = trials.every((one) =>
          trials.some(({ ratePerS, verdict }) => ratePerS === one.ratePerS && verdict === "kept"),
        );
        expect(miss === null).toBe(isEachKept);
        if (miss === null) return;
        expect(miss.ratePerS).toBeGreaterThan(keptPerS ?? 0);
        expect(miss.ratePerS).toBeLessThanOrEqual(missedPerS ?? Number.POSITIVE_INFINITY);
        expect(miss.isCertain).toBe(miss.ratePerS === missedPerS);
      }),
    );
  });

  test("a rate that was kept below one that was missed stays below it, whatever was kept above", () => {
    const trials: Trial[] = [
      { ratePerS: 100, verdict: "kept" },
      { ratePerS: 200, verdict: "far off" },
      { ratePerS: 400, verdict: "kept" },
    ];
    expect(kneeOf(trials)).toEqual({ keptPerS: 100, missedPerS: 200 });
  });
});
