/**
 * The ladder: what is given up first when the process cannot do everything, and what is never given up before that.
 *
 * Two signs cover whatever goes on: how late the event loop is, and how much of its memory the process uses. Each class of
 * requests has a step, an interval of each sign: below it everything passes, above it nothing, in between an evenly
 * spread share, so that the load follows the sign instead of jumping. Who pays has already won, so that goes last.
 * Nothing is drawn: each class adds up the share it owes and refuses whenever a whole request has come together.
 */
import type { Clock } from "../../ports/clock.ts";
import type { MemoryGauge } from "../../ports/memory-gauge.ts";
import type { EventLoopDelay } from "./event-loop-delay.ts";

/** Classes of requests, the last given up first. Also words of the documentation. */
export const PRIORITIES = ["pay", "confirm", "reserve", "status", "browse"] as const;
export type Priority = (typeof PRIORITIES)[number];

interface Interval {
  readonly from: number;
  readonly to: number;
}

interface Step {
  /** Smoothed delay of the event loop in milliseconds. */
  readonly delayMs: Interval;
  /** Used share of the memory. */
  readonly memory: Interval;
}

/** Where each class begins to be refused, and where all of it is. */
export const STEPS: Readonly<Record<Priority, Step>> = {
  browse: { delayMs: { from: 80, to: 200 }, memory: { from: 0.75, to: 0.85 } },
  status: { delayMs: { from: 120, to: 250 }, memory: { from: 0.8, to: 0.9 } },
  reserve: { delayMs: { from: 200, to: 300 }, memory: { from: 0.85, to: 0.92 } },
  confirm: { delayMs: { from: 400, to: 900 }, memory: { from: 0.92, to: 0.96 } },
  pay: { delayMs: { from: 1_000, to: 2_000 }, memory: { from: 0.96, to: 0.98 } },
};

const MEMORY_LOOK_INTERVAL_MS = 500;

export interface LadderParts {
  readonly loopDelay: Pick<EventLoopDelay, "delayMs">;
  /** Null = memory is nobody's concern here. */
  readonly memory: MemoryGauge | null;
  readonly clock: Clock;
}

/** See the head of this file. */
export class Ladder {
  readonly #parts: LadderParts;
  readonly #owed: Record<Priority, number> = { pay: 0, confirm: 0, reserve: 0, status: 0, browse: 0 };
  #memoryUsed = 0;
  #memoryLookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: LadderParts) {
    this.#parts = parts;
  }

  /** Whether this request of the class is to be refused. Each call counts as one request. */
  refuses(priority: Priority): boolean {
    const share = this.refusedShare(priority);
    if (share === 0) return false;
    if (share === 1) return true;
    const owed = this.#owed[priority] + share;
    this.#owed[priority] = owed >= 1 ? owed - 1 : owed;
    return owed >= 1;
  }

  /** The share of a class that is refused now, from 0 to 1. */
  refusedShare(priority: Priority): number {
    const { delayMs, memory } = STEPS[priority];
    return Math.max(positionIn(delayMs, this.#parts.loopDelay.delayMs), positionIn(memory, this.#memoryShare()));
  }

  #memoryShare(): number {
    const { memory, clock } = this.#parts;
    if (memory === null) return 0;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#memoryLookedAtMs >= MEMORY_LOOK_INTERVAL_MS) {
      this.#memoryLookedAtMs = nowMs;
      this.#memoryUsed = memory.usedFraction();
    }
    return this.#memoryUsed;
  }
}

function positionIn({ from, to }: Interval, value: number): number {
  return Math.max(0, Math.min(1, (value - from) / (to - from)));
}
