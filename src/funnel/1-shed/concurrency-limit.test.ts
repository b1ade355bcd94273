/**
 * The limit grows while it is used and answers are quick, shrinks when they are slow, and stays in its bounds.
 */
import { describe, expect, test } from "bun:test";
import {
  CONCURRENCY_AT_START,
  CONCURRENCY_MAX,
  CONCURRENCY_MIN,
  ConcurrencyLimit,
  LATENCY_TARGET_MS,
} from "./concurrency-limit.ts";

describe("concurrency limit", () => {
  test("does not grow while nobody needs more", () => {
    const limit = new ConcurrencyLimit();
    for (let step = 0; step < 100; step += 1) limit.observe({ latencyMs: 5, inFlight: 10, nowMs: step });
    expect(limit.limit).toBe(CONCURRENCY_AT_START);
  });

  test("grows to its maximum and no further while used and quick", () => {
    const limit = new ConcurrencyLimit();
    for (let step = 0; step < 10_000; step += 1) {
      limit.observe({ latencyMs: LATENCY_TARGET_MS, inFlight: limit.limit, nowMs: step });
    }
    expect(limit.limit).toBe(CONCURRENCY_MAX);
  });

  test("shrinks at most once per 100 ms, down to two full batches", () => {
    const limit = new ConcurrencyLimit();
    const slow = { latencyMs: LATENCY_TARGET_MS + 1, inFlight: 2_000 };
    limit.observe({ ...slow, nowMs: 0 });
    const once = limit.limit;
    expect(once).toBeLessThan(CONCURRENCY_AT_START);
    limit.observe({ ...slow, nowMs: 99 });
    expect(limit.limit).toBe(once);
    limit.observe({ ...slow, nowMs: 100 });
    expect(limit.limit).toBeLessThan(once);
    for (let step = 2; step < 100; step += 1) limit.observe({ ...slow, nowMs: step * 100 });
    expect(limit.limit).toBe(CONCURRENCY_MIN);
  });

  test("settles where the answers take as long as they may", () => {
    // A ledger of 5,000 attempts a second: latency follows from how many are in flight.
    const limit = new ConcurrencyLimit();
    const seen: number[] = [];
    for (let nowMs = 0; nowMs < 60_000; nowMs += 50) {
      const latencyMs = (limit.limit / 5_000) * 1_000;
      limit.observe({ latencyMs, inFlight: limit.limit, nowMs });
      if (nowMs > 10_000) seen.push(latencyMs);
    }
    expect(Math.max(...seen)).toBeLessThan(LATENCY_TARGET_MS * 1.2);
    expect(Math.min(...seen)).toBeGreaterThan(LATENCY_TARGET_MS * 0.6);
  });
});
