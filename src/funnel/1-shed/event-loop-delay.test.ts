/**
 * One long pause is forgiven, lasting lateness is seen, and recovery is noticed within seconds.
 */
import { describe, expect, test } from "bun:test";
import type { Clock } from "../../ports/clock.ts";
import { EventLoopDelay } from "./event-loop-delay.ts";
import { STEPS } from "./ladder.ts";

const ATTEMPTS = STEPS.reserve.delayMs;

/** A loop that calls each timer late by what the test says. */
function lateClock() {
  let nowMs = 0;
  let pending: { dueMs: number; callback: () => void } | null = null;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer(delayMs, callback) {
      pending = { dueMs: nowMs + delayMs, callback };
      return () => {
        pending = null;
      };
    },
  };
  const fire = (lateMs: number) => {
    const timer = pending;
    if (timer === null) throw new Error("no timer is set");
    nowMs = timer.dueMs + lateMs;
    timer.callback();
  };
  return { clock, fire, hasTimer: () => pending !== null };
}

describe("event loop delay", () => {
  test("is near zero while timers come in time", () => {
    const { clock, fire } = lateClock();
    const delay = new EventLoopDelay(clock);
    delay.start();
    for (let step = 0; step < 50; step += 1) fire(1);
    expect(delay.delayMs).toBeLessThan(2);
  });

  test("forgives one pause of two seconds", () => {
    const { clock, fire } = lateClock();
    const delay = new EventLoopDelay(clock);
    delay.start();
    fire(2_000);
    expect(delay.delayMs).toBeLessThanOrEqual(ATTEMPTS.from);
  });

  test("exceeds its bound when every turn takes half a second, and falls below it soon after", () => {
    const { clock, fire } = lateClock();
    const delay = new EventLoopDelay(clock);
    delay.start();
    for (let step = 0; step < 10; step += 1) fire(500);
    expect(delay.delayMs).toBeGreaterThan(ATTEMPTS.to);
    for (let step = 0; step < 20; step += 1) fire(0);
    expect(delay.delayMs).toBeLessThan(ATTEMPTS.from / 2);
  });

  test("tells what one in a hundred of the last ten seconds exceeded", () => {
    const { clock, fire } = lateClock();
    const delay = new EventLoopDelay(clock);
    expect(delay.delayMsP99()).toBe(0);
    delay.start();
    for (let step = 0; step < 500; step += 1) fire(step % 50 === 0 ? 80 : 3);
    expect(delay.delayMsP99()).toBe(80);
    for (let step = 0; step < 500; step += 1) fire(step % 500 === 0 ? 80 : 3);
    expect(delay.delayMsP99()).toBe(3);
  });

  test("leaves no timer behind when stopped", () => {
    const { clock, hasTimer } = lateClock();
    const delay = new EventLoopDelay(clock);
    delay.start();
    expect(hasTimer()).toBe(true);
    delay.stop();
    expect(hasTimer()).toBe(false);
  });
});
