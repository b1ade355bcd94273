import { expect, test } from "bun:test";
import { LATENCY_BUCKET_COUNT, latencyBucketEndUs, latencyBucketOf, summarizeLatency } from "./latency-histogram.ts";

test("every duration lies below its bucket's end and at most an eighth below it", () => {
  for (let us = 0; us < 2 ** 26; us += 1 + Math.floor(us / 97)) {
    const endUs = latencyBucketEndUs(latencyBucketOf(us / 1_000));
    // Binary fractions may lose the last bit of a microsecond, never more.
    expect(endUs).toBeGreaterThan(us - 1);
    expect(endUs).toBeLessThanOrEqual(Math.max(us + 1, us * 1.125 + 1));
  }
});

test("bucket ends grow strictly and the last bucket takes everything beyond", () => {
  for (let bucket = 1; bucket < LATENCY_BUCKET_COUNT; bucket += 1) {
    expect(latencyBucketEndUs(bucket)).toBeGreaterThan(latencyBucketEndUs(bucket - 1));
  }
  expect(latencyBucketOf(1e12)).toBe(LATENCY_BUCKET_COUNT - 1);
  expect(latencyBucketOf(Number.POSITIVE_INFINITY)).toBe(LATENCY_BUCKET_COUNT - 1);
});

test("a clock that steps back or breaks counts as zero", () => {
  expect(latencyBucketOf(-5)).toBe(0);
  expect(latencyBucketOf(Number.NaN)).toBe(0);
});

test("quantiles are the ends of the buckets that hold their ranks", () => {
  const summary = summarizeLatency(
    new Map([
      [4_000, 1],
      [1_000, 98],
      [2_000, 1],
    ]),
  );
  expect(summary).toEqual({ count: 100, p50Ms: 1, p90Ms: 1, p99Ms: 2, p999Ms: 4, maxMs: 4 });
  expect(summarizeLatency(new Map())).toEqual({ count: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 });
});
