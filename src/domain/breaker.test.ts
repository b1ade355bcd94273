/**
 * It opens on failures in a row only, asks with one call, and lets everybody back little by little.
 */
import { describe, expect, test } from "bun:test";
import { Breaker, type BreakerLimits } from "./breaker.ts";

const LIMITS: BreakerLimits = {
  failuresInRowMax: 3,
  pauseMs: 100,
  pauseMsMax: 400,
  rampMs: 1_000,
  rampFractionMin: 0.05,
  rampCallsMin: 0,
};
/** The middle of the spread: pauses are as long as the limits say. */
const even = (nowMs: number) => ({ nowMs, chance: 0.5 });

function opened(): Breaker {
  const breaker = new Breaker(LIMITS);
  for (let failure = 0; failure < 3; failure += 1) breaker.failed(even(0));
  return breaker;
}

/** The share of a thousand calls that are let through at an instant. */
function share(breaker: Breaker, nowMs: number): number {
  let admitted = 0;
  for (let call = 0; call < 1_000; call += 1) {
    if (breaker.admits({ nowMs, chance: call / 1_000 })) admitted += 1;
  }
  return admitted / 1_000;
}

describe("breaker", () => {
  test("stays closed while failures are not in a row", () => {
    const breaker = new Breaker(LIMITS);
    for (let round = 0; round < 50; round += 1) {
      expect(breaker.failed(even(round))).toBe(false);
      expect(breaker.failed(even(round))).toBe(false);
      breaker.succeeded(round);
    }
    expect(breaker.state).toBe("closed");
  });

  test("opens on the last failure of the row, and says so once", () => {
    const breaker = new Breaker(LIMITS);
    const told = Array.from({ length: 6 }, () => breaker.failed(even(0)));
    expect(told).toEqual([false, false, true, false, false, false]);
    expect(breaker.admits(even(99))).toBe(false);
  });

  test("asks with exactly one call when the pause is over", () => {
    const breaker = opened();
    expect([breaker.admits(even(100)), breaker.admits(even(100)), breaker.admits(even(450))]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test("a probe that never ends is replaced", () => {
    const breaker = opened();
    expect(breaker.admits(even(100))).toBe(true);
    expect(breaker.admits(even(499))).toBe(false);
    expect(breaker.admits(even(500))).toBe(true);
  });

  test("pauses twice as long after each probe that fails, up to the bound, spread by chance", () => {
    const breaker = opened();
    let nowMs = 0;
    const pauses: number[] = [];
    for (let probe = 0; probe < 5; probe += 1) {
      let pauseMs = 0;
      while (!breaker.admits(even(nowMs + pauseMs))) pauseMs += 1;
      pauses.push(pauseMs);
      nowMs += pauseMs;
      breaker.failed(even(nowMs));
    }
    expect(pauses).toEqual([100, 200, 400, 400, 400]);
    const hasty = new Breaker(LIMITS);
    for (let failure = 0; failure < 3; failure += 1) hasty.failed({ nowMs: 0, chance: 0 });
    expect(hasty.admits(even(50))).toBe(true);
  });

  test("lets calls back evenly from a twentieth to all, and is closed then", () => {
    const breaker = opened();
    breaker.admits(even(100));
    breaker.succeeded(110);
    expect(breaker.state).toBe("growing");
    expect(share(breaker, 110)).toBeCloseTo(0.05, 2);
    expect(share(breaker, 610)).toBeCloseTo(0.525, 2);
    expect(share(breaker, 1_110)).toBe(1);
    expect(breaker.state).toBe("closed");
  });

  test("a few calls at once always pass while it grows", () => {
    const breaker = new Breaker({ ...LIMITS, failuresInRowMax: 1, rampCallsMin: 4 });
    breaker.admits(even(0));
    breaker.failed(even(0));
    breaker.admits(even(100));
    breaker.succeeded(100);
    const unlucky = { nowMs: 101, chance: 0.99 };
    expect(Array.from({ length: 6 }, () => breaker.admits(unlucky))).toEqual([true, true, true, true, false, false]);
    breaker.succeeded(102);
    expect(breaker.admits(unlucky)).toBe(true);
  });

  test("one failure while it grows opens it again", () => {
    const breaker = opened();
    breaker.admits(even(100));
    breaker.succeeded(110);
    breaker.failed(even(200));
    expect(breaker.state).toBe("open");
    expect(breaker.admits(even(399))).toBe(false);
    expect(breaker.admits(even(400))).toBe(true);
  });

  test("what began before the pause neither closes it nor makes the pause longer", () => {
    const breaker = opened();
    breaker.succeeded(10);
    breaker.failed(even(20));
    expect(breaker.state).toBe("open");
    expect(breaker.admits(even(100))).toBe(true);
  });

  test("forgets earlier pauses once it was closed again", () => {
    const breaker = opened();
    breaker.admits(even(100));
    breaker.failed(even(100));
    breaker.admits(even(300));
    breaker.succeeded(300);
    expect(breaker.admits(even(1_300))).toBe(true);
    for (let failure = 0; failure < 3; failure += 1) breaker.failed(even(2_000));
    expect(breaker.admits(even(2_099))).toBe(false);
    expect(breaker.admits(even(2_100))).toBe(true);
  });
});
