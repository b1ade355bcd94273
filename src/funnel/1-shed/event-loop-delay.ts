/**
 * How late the event loop is, smoothed: the one sign of overload that covers everything the process does.
 *
 * A timer asks to be called after a fixed time and notes how much later it was. One long pause (a garbage collection, a
 * busy neighbour) must not turn buyers away, so the figure that decides is an average over about the last second of samples;
 * for people, the worst of the last ten seconds is kept beside it. What follows from the delay is ladder.ts.
 */
import type { Clock } from "../../ports/clock.ts";

const SAMPLE_INTERVAL_MS = 20;
const SMOOTHING = 0.1;
/** One sample never counts for more than this: a laptop that slept is not overloaded. */
const SAMPLE_MS_MAX = 2_000;
/** Ten seconds of samples, when they come in time. */
const SAMPLES_KEPT = 500;

/** Measures from {@link start} to {@link stop}. */
export class EventLoopDelay {
  readonly #clock: Clock;
  readonly #samples = new Float32Array(SAMPLES_KEPT);
  #sampleCount = 0;
  #delayMs = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The smoothed delay in milliseconds. */
  get delayMs(): number {
    return this.#delayMs;
  }

  /** The delay that one in a hundred of the last samples exceeded, in milliseconds; 0 before the first. */
  delayMsP99(): number {
    const kept = this.#samples.slice(0, Math.min(this.#sampleCount, SAMPLES_KEPT)).sort();
    return kept[Math.max(0, Math.ceil(kept.length * 0.99) - 1)] ?? 0;
  }

  start(): void {
    if (this.#cancelTimer !== null) return;
    const dueAtMs = this.#clock.monotonicMs() + SAMPLE_INTERVAL_MS;
    this.#cancelTimer = this.#clock.setTimer(SAMPLE_INTERVAL_MS, () => {
      this.#cancelTimer = null;
      const lateMs = Math.min(SAMPLE_MS_MAX, Math.max(0, this.#clock.monotonicMs() - dueAtMs));
      this.#delayMs += (lateMs - this.#delayMs) * SMOOTHING;
      this.#samples[this.#sampleCount % SAMPLES_KEPT] = lateMs;
      this.#sampleCount += 1;
      this.start();
    });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
