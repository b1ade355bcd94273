/**
 * Virtual time and the processes that live in it: one queue of due moments, fired in order, nothing else ever moves.
 *
 * The one thing to know: between two moments everything that is ready runs to its end (promises and what they start), so
 * the order of all events follows from the seed alone. A process that was killed hears nothing any more; one that is
 * paused hears everything at once when it goes on, which is what a stopped process or a long collection looks like.
 */
import type { Clock } from "../../src/ports/clock.ts";

/** The wall clock at the start of every schedule. */
export const START_MS = 1_800_000_000_000;

/** Something with a life of its own: a node, a worker, or the world (never killed). */
export interface SimProcess {
  readonly id: string;
  state: "running" | "paused" | "dead";
  /** What came while it was paused. */
  readonly deferred: (() => void)[];
  /** How far its wall clock is off. */
  skewMs: number;
  /** Until when it does not reach a server that others reach. */
  readonly cutUntilMs: { redis: number; postgres: number; provider: number };
  cutSinceMs: number;
}

interface Moment {
  readonly dueMs: number;
  readonly order: number;
  readonly process: SimProcess;
  callback: (() => void) | null;
}

export function createProcess(id: string): SimProcess {
  const cutUntilMs = { redis: 0, postgres: 0, provider: 0 };
  return { id, state: "running", deferred: [], skewMs: 0, cutUntilMs, cutSinceMs: 0 };
}

/** See the head of this file. */
export class Timeline {
  readonly #heap: Moment[] = [];
  #order = 0;
  #nowMs = 0;
  /** Moments fired so far: the measure of a schedule's length. */
  firedCount = 0;

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Calls back after the delay, unless the process is killed before; answers how to cancel it. */
  after(process: SimProcess, delayMs: number, callback: () => void): () => void {
    const moment: Moment = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, process, callback };
    this.#push(moment);
    return () => {
      moment.callback = null;
    };
  }

  pause(process: SimProcess): void {
    if (process.state === "running") process.state = "paused";
  }

  /** Everything that came meanwhile happens now, in order. */
  resume(process: SimProcess): void {
    if (process.state !== "paused") return;
    process.state = "running";
    for (const callback of process.deferred.splice(0)) this.after(process, 0, callback);
  }

  kill(process: SimProcess): void {
    process.state = "dead";
    process.deferred.length = 0;
  }

  /** Fires everything that is due until then, or until `isDone` says so between two moments. */
  runUntil(endMs: number, isDone: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          if (isDone()) {
            resolve();
            return;
          }
          for (;;) {
            const moment = this.#heap[0];
            if (moment === undefined || moment.dueMs > endMs) {
              this.#nowMs = Math.max(this.#nowMs, endMs);
              resolve();
              return;
            }
            this.#pop();
            if (moment.callback === null || !this.#mayHear(moment)) continue;
            this.#nowMs = Math.max(this.#nowMs, moment.dueMs);
            this.firedCount += 1;
            moment.callback();
            // A macrotask comes only when no microtask is left, so the next moment finds everything settled.
            setImmediate(step);
            return;
          }
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(step);
    });
  }

  #mayHear({ process, callback }: Moment): boolean {
    if (process.state === "paused" && callback !== null) process.deferred.push(callback);
    return process.state === "running";
  }

  #push(moment: Moment): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(moment);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(moment, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = moment;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      const smaller = right !== undefined && isBefore(right, left) ? right : left;
      if (smaller === right) child += 1;
      if (!isBefore(smaller, last)) break;
      heap[index] = smaller;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(left: Moment, right: Moment): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}

/** The clock of one process. */
export class ProcessClock implements Clock {
  readonly #timeline: Timeline;
  readonly #process: SimProcess;

  constructor(timeline: Timeline, process: SimProcess) {
    this.#timeline = timeline;
    this.#process = process;
  }

  nowMs(): number {
    return START_MS + Math.floor(this.#timeline.nowMs) + this.#process.skewMs;
  }

  monotonicMs(): number {
    return this.#timeline.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    return this.#timeline.after(this.#process, delayMs, callback);
  }
}
