/**
 * The limit grows while it is used and answers are quick, shrinks when they are slow, and settles where the ledger is busy
 * and its queue is short.
 */
import { describe, expect, test } from "bun:test";
import {
  CONCURRENCY_AT_START,
  CONCURRENCY_MAX,
  CONCURRENCY_MIN,
  ConcurrencyLimit,
  LATENCY_TARGET_MS,
  REFERENCE_MS_MIN,
} from "./concurrency-limit.ts";

/** A ledger that takes two batches at once, each a fixed time and a time for each attempt of it. */
interface LedgerModel {
  readonly fixedMs: number;
  readonly attemptMs: number;
}

const BATCH_MAX = 256;

/** Attempts press without end; answers the latencies of the last half and what was decided per second. */
function press(model: LedgerModel, durationMs = 60_000) {
  const limit = new ConcurrencyLimit();
  const arrivals: number[] = [];
  const flights: { endsMs: number; startedMs: number; arrivals: number[] }[] = [];
  const latencies: number[] = [];
  let inFlight = 0;
  let decided = 0;
  for (let nowMs = 0; nowMs < durationMs; nowMs += 1) {
    for (const flight of flights.filter(({ endsMs }) => endsMs <= nowMs)) {
      flights.splice(flights.indexOf(flight), 1);
      const latencyMs = nowMs - Math.min(...flight.arrivals);
      const sample = {
        latencyMs,
        flightMs: nowMs - flight.startedMs,
        answers: flight.arrivals.length,
        inFlight,
        nowMs,
      };
      limit.observe(sample);
      inFlight -= flight.arrivals.length;
      if (nowMs <= durationMs / 2) continue;
      latencies.push(...flight.arrivals.map((arrivedMs) => nowMs - arrivedMs));
      decided += flight.arrivals.length;
    }
    // Far more attempts come than the ledger can take: as many enter each millisecond as there is room for.
    const offered = 100;
    const room = Math.max(0, Math.min(offered, limit.limit - inFlight));
    for (let count = 0; count < room; count += 1) arrivals.push(nowMs);
    inFlight += room;
    while (flights.length < 2 && arrivals.length > 0) {
      const batch = arrivals.splice(0, BATCH_MAX);
      const tookMs = model.fixedMs + model.attemptMs * batch.length * (flights.length + 1);
      flights.push({ startedMs: nowMs, endsMs: nowMs + Math.max(1, tookMs), arrivals: batch });
    }
  }
  latencies.sort((left, right) => left - right);
  const perS = decided / (durationMs / 2_000);
  return { limit: limit.limit, perS, latencyMsP99: latencies[Math.floor(latencies.length * 0.99)] ?? 0 };
}

describe("concurrency limit", () => {
  test("does not grow while nobody needs more", () => {
    const limit = new ConcurrencyLimit();
    for (let step = 0; step < 100; step += 1) {
      limit.observe({ latencyMs: 5, flightMs: 5, answers: 1, inFlight: 10, nowMs: step * 100 });
    }
    expect(limit.limit).toBe(CONCURRENCY_AT_START);
  });

  test("grows to its maximum and no further while used and quick", () => {
    const limit = new ConcurrencyLimit();
    for (let step = 0; step < 1_000; step += 1) {
      limit.observe({ latencyMs: REFERENCE_MS_MIN, flightMs: 5, answers: 1, inFlight: limit.limit, nowMs: step * 100 });
    }
    expect(limit.limit).toBe(CONCURRENCY_MAX);
  });

  test("is corrected at most once per answer time, by no more than half, down to its floor", () => {
    const limit = new ConcurrencyLimit();
    const slow = { latencyMs: LATENCY_TARGET_MS * 4, flightMs: LATENCY_TARGET_MS, answers: 1, inFlight: 2_000 };
    limit.observe({ ...slow, nowMs: 0 });
    const once = limit.limit;
    expect(once).toBeLessThan(CONCURRENCY_AT_START);
    expect(once).toBeGreaterThanOrEqual(CONCURRENCY_AT_START / 2);
    limit.observe({ ...slow, nowMs: slow.latencyMs - 1 });
    expect(limit.limit).toBe(once);
    limit.observe({ ...slow, nowMs: slow.latencyMs });
    expect(limit.limit).toBeLessThan(once);
    for (let step = 2; step < 100; step += 1) limit.observe({ ...slow, nowMs: step * slow.latencyMs });
    expect(limit.limit).toBe(CONCURRENCY_MIN);
  });

  test("comes back from its floor to a thousand within five seconds of pressing", () => {
    const limit = new ConcurrencyLimit();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 600) {
      limit.observe({ latencyMs: 600, flightMs: 100, answers: 1, inFlight: 2_000, nowMs });
    }
    expect(limit.limit).toBe(CONCURRENCY_MIN);
    for (let nowMs = 60_000; nowMs < 65_000; nowMs += 10) {
      limit.observe({ latencyMs: 20, flightMs: 10, answers: 1, inFlight: limit.limit, nowMs });
    }
    expect(limit.limit).toBeGreaterThanOrEqual(1_000);
  });

  test.each([
    { name: "quick and disk-bound", fixedMs: 8, attemptMs: 0.01, perSMin: 30_000, p99MsMax: 80 },
    { name: "bound by its processor", fixedMs: 2, attemptMs: 0.2, perSMin: 4_000, p99MsMax: 200 },
    { name: "slow", fixedMs: 5, attemptMs: 0.6, perSMin: 1_300, p99MsMax: 230 },
    { name: "far away", fixedMs: 100, attemptMs: 0.1, perSMin: 1_500, p99MsMax: 230 },
  ])("keeps a ledger that is $name busy and its answers within the promise", ({ fixedMs, attemptMs, ...expected }) => {
    const seen = press({ fixedMs, attemptMs });
    expect(seen.perS).toBeGreaterThan(expected.perSMin);
    expect(seen.latencyMsP99).toBeLessThan(expected.p99MsMax);
  });
});
