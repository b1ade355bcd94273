/**
 * Percentiles are close to the exact ones, and merging processes loses nothing.
 */
import { describe, expect, test } from "bun:test";
import { Histogram } from "./histogram.ts";
import { createSeededRandom } from "./seeded-random.ts";

describe("the histogram", () => {
  test("answers every percentile within 5 % of the exact one", () => {
    const random = createSeededRandom(7, 1);
    const latencies = Array.from({ length: 20_000 }, () => 0.05 * 10 ** (random.fraction() * 5));
    const histogram = new Histogram();
    for (const latencyMs of latencies) histogram.record(latencyMs);
    latencies.sort((left, right) => left - right);
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = latencies[Math.ceil(share * latencies.length) - 1] ?? 0;
      expect(Math.abs(histogram.percentileMs(share) / exact - 1)).toBeLessThan(0.05);
    }
  });

  test("merged from two processes is the same as one that saw everything", () => {
    const [left, right, both] = [new Histogram(), new Histogram(), new Histogram()];
    for (let latencyMs = 0; latencyMs < 500; latencyMs++) {
      (latencyMs % 3 === 0 ? left : right).record(latencyMs);
      both.record(latencyMs);
    }
    left.merge(JSON.parse(JSON.stringify(right.snapshot())));
    expect(left.snapshot()).toEqual(both.snapshot());
    expect(left.count).toBe(500);
    expect(left.maxMs).toBe(499);
  });

  test("takes absurd latencies without growing, and is zero when empty", () => {
    const histogram = new Histogram();
    expect(histogram.percentileMs(0.99)).toBe(0);
    for (const latencyMs of [0, -5, 1e12, Number.MAX_VALUE]) histogram.record(latencyMs);
    expect(histogram.count).toBe(4);
    expect(histogram.percentileMs(0.5)).toBeLessThan(0.02);
  });
});
