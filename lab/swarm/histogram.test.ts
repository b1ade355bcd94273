/**
 * Percentiles are close to the exact ones, and merging processes loses nothing.
 */
import { describe, expect, test } from "bun:test";
import { HISTOGRAM_ERROR_SHARE_MAX, Histogram } from "./histogram.ts";
import { createSeededRandom } from "./seeded-random.ts";

describe("the histogram", () => {
  test("answers every percentile within its bound of the exact one", () => {
    const random = createSeededRandom(7, 1);
    const latencies = Array.from({ length: 20_000 }, () => 0.3 * 10 ** (random.fraction() * 6));
    const histogram = new Histogram();
    for (const latencyMs of latencies) histogram.record(latencyMs);
    latencies.sort((left, right) => left - right);
    for (let share = 0.001; share <= 1; share += 0.001) {
      const exact = latencies[Math.ceil(share * latencies.length) - 1] ?? 0;
      expect(Math.abs(histogram.percentileMs(share) / exact - 1)).toBeLessThan(HISTOGRAM_ERROR_SHARE_MAX + 0.002);
    }
  });

  test("keeps every single latency within its bound, from a microsecond to an hour", () => {
    for (let latencyMs = 0.001; latencyMs < 3_600_000; latencyMs *= 1.0137) {
      const histogram = new Histogram();
      histogram.record(latencyMs);
      histogram.merge({ buckets: [], latencyMsMax: Number.MAX_VALUE });
      const off = Math.abs(histogram.percentileMs(1) - latencyMs);
      expect(off).toBeLessThanOrEqual(Math.max(0.0005001, latencyMs * HISTOGRAM_ERROR_SHARE_MAX + 0.0005));
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
