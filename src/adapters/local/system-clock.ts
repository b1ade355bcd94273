/**
 * The Clock of the running process. Together with system-random.ts the only place that reads the machine's time and dice.
 */
import type { Clock } from "../../ports/clock.ts";

/** `implements Clock`. */
export function createSystemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
