/**
 * How late the event loop is, smoothed: the one sign of overload that covers everything the process does.
 *
 * A timer asks to be called after a fixed time and notes how much later it was. One long pause (a garbage collection, a
 * busy neighbour) must not turn buyers away, so the figure is an average over about the last second of samples.
 */
import type { Clock } from "../../ports/clock.ts";

/** Above this smoothed delay no work is taken. */
export const EVENT_LOOP_DELAY_MS_MAX = 250;

const SAMPLE_INTERVAL_MS = 20;
const SMOOTHING = 0.1;
/** One sample never counts for more than this: a laptop that slept is not overloaded. */
const SAMPLE_MS_MAX = 2_000;

/** Measures from {@link start} to {@link stop}. */
export class EventLoopDelay {
  readonly #clock: Clock;
  #delayMs = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The smoothed delay in milliseconds. */
  get delayMs(): number {
    return this.#delayMs;
  }

  start(): void {
    if (this.#cancelTimer !== null) return;
    const dueAtMs = this.#clock.monotonicMs() + SAMPLE_INTERVAL_MS;
    this.#cancelTimer = this.#clock.setTimer(SAMPLE_INTERVAL_MS, () => {
      this.#cancelTimer = null;
      const lateMs = Math.min(SAMPLE_MS_MAX, Math.max(0, this.#clock.monotonicMs() - dueAtMs));
      this.#delayMs += (lateMs - this.#delayMs) * SMOOTHING;
      this.start();
    });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
