/**
 * A Clock that only moves when a test says so; timers fire in order of their due time while it moves.
 */
import type { Clock } from "../../src/ports/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  readonly #startMs: number;
  readonly #timers = new Set<Timer>();
  #elapsedMs = 0;

  constructor(startMs: number = 1_800_000_000_000) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#elapsedMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait; 0 after everything was stopped. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Moves time without firing anything: what a process sees that was paused. */
  jump(durationMs: number): void {
    this.#elapsedMs += durationMs;
  }

  /** Moves on, firing what falls due. Promises settle between timers. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#elapsedMs + durationMs;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#elapsedMs = Math.max(this.#elapsedMs, due.dueMs);
      due.callback();
      await settle();
    }
    this.#elapsedMs = endMs;
    await settle();
  }
}

/** Lets everything that is ready run: promises and what they start. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
