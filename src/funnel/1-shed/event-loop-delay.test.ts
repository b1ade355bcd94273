/**
 * One long pause is forgiven, lasting lateness is seen, and recovery is noticed within seconds.
 */
import { describe, expect, test } from "bun:test";
import type { Clock } from "../../ports/clock.ts";
import { EVENT_LOOP_DELAY_MS_MAX, EventLoopDelay } from "./event-loop-delay.ts";

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
    expect(delay.delayMs).toBeLessThan(EVENT_LOOP_DELAY_MS_MAX);
  });

  test("exceeds its bound when every turn takes half a second, and falls below it soon after", () => {
    const { clock, fire } = lateClock();
    const delay = new EventLoopDelay(clock);
    delay.start();
    for (let step = 0; step < 10; step += 1) fire(500);
    expect(delay.delayMs).toBeGreaterThan(EVENT_LOOP_DELAY_MS_MAX);
    for (let step = 0; step < 20; step += 1) fire(0);
    expect(delay.delayMs).toBeLessThan(EVENT_LOOP_DELAY_MS_MAX / 2);
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
