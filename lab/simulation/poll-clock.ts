/**
 * A clock for what polls streams: while there is nothing to read, looks that would find nothing are left out.
 *
 * A worker looks ten times a second and almost always in vain; most of a schedule would be such looks. A short timer is
 * stretched while no stream has anything new and falls due at its own pace as soon as one has. Nothing can be seen
 * differently: the look that finds something comes when it would have come.
 */
import type { Clock } from "../../src/ports/clock.ts";
import type { SimProcess, Timeline } from "./timeline.ts";

/** Longer timers are no polls. */
const POLL_MS_MAX = 130;
/** Stretched this far: what else a poll does, it does once a second. */
const STRETCHED_MS = 900;

interface Sleeper {
  readonly dueMs: number;
  readonly delayMs: number;
  readonly wake: (delayMs: number) => void;
}

/** All stretched timers of a world. */
export class Sleepers {
  readonly #timeline: Timeline;
  #sleepers: Set<Sleeper> = new Set();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** There is something to read. */
  wake(): void {
    if (this.#sleepers.size === 0) return;
    const sleepers = this.#sleepers;
    this.#sleepers = new Set();
    const nowMs = this.#timeline.nowMs;
    for (const { dueMs, delayMs, wake } of sleepers) {
      // When the next of its looks would have been.
      const restMs = dueMs > nowMs ? dueMs - nowMs : delayMs - ((nowMs - dueMs) % delayMs);
      wake(restMs);
    }
  }

  add(sleeper: Sleeper): void {
    this.#sleepers.add(sleeper);
  }

  remove(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
  }
}

/** See the head of this file. */
export class PollClock implements Clock {
  readonly #parts: {
    readonly clock: Clock;
    readonly timeline: Timeline;
    readonly process: SimProcess;
    readonly sleepers: Sleepers;
    readonly hasNews: () => boolean;
  };

  constructor(parts: {
    clock: Clock;
    timeline: Timeline;
    process: SimProcess;
    sleepers: Sleepers;
    hasNews: () => boolean;
  }) {
    this.#parts = parts;
  }

  nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  monotonicMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    const { timeline, process, sleepers, hasNews } = this.#parts;
    if (delayMs > POLL_MS_MAX || delayMs <= 0 || hasNews()) return timeline.after(process, delayMs, callback);
    const fire = () => {
      sleepers.remove(sleeper);
      callback();
    };
    let cancel = timeline.after(process, STRETCHED_MS, fire);
    const sleeper: Sleeper = {
      dueMs: timeline.nowMs + delayMs,
      delayMs,
      wake: (restMs) => {
        cancel();
        cancel = timeline.after(process, restMs, callback);
      },
    };
    sleepers.add(sleeper);
    return () => {
      sleepers.remove(sleeper);
      cancel();
    };
  }
}
