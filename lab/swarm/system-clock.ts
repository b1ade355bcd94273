/**
 * The crowd's own clock, an implementation of the Clock port for the processes under lab/.
 *
 * The product's clock lives in an adapter that only the composition root may import; a load generator that shared code
 * with what it measures would share its mistakes. Wall time is derived from the monotonic clock at start, so latencies
 * and instants never disagree when somebody sets the machine's clock during a run.
 */
import type { Clock } from "../../src/ports/clock.ts";

/** Wall and monotonic time of this process, with real timers. */
export function createSystemClock(): Clock {
  return {
    nowMs: () => Math.round(performance.timeOrigin + performance.now()),
    monotonicMs: () => performance.now(),
    setTimer(delayMs, callback) {
      const timer = setTimeout(callback, Math.max(0, delayMs));
      return () => clearTimeout(timer);
    },
  };
}

/** Resolves after the delay. */
export function wait(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(delayMs, resolve);
  });
}
