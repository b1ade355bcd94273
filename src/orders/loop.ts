/**
 * A background loop that never overlaps with itself: the next run is scheduled when the last one is over.
 *
 * Intervals are jittered so that nodes started together do not ask the database together. A run that throws is logged
 * and tried again, ever more seldom up to a bound; the loop itself never dies.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

const JITTER_FRACTION = 0.2;
const FAILURE_DELAY_MS_MAX = 15_000;
const FAILURES_COUNTED_MAX = 10;

export interface Loop {
  start(): void;
  /** Ends the loop; resolves when the running pass, if any, is over. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  /** For the log. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly intervalMs: number;
  /** One pass. `isStopping` turns true when the loop was asked to stop: finish what was begun, begin nothing. */
  run(isStopping: () => boolean): Promise<void>;
}

/** One life of a loop, from `start` to `stop`. */
interface Life {
  stopping: boolean;
  /** Ends the wait between two passes. */
  wake: () => void;
}

/** Builds a loop; nothing runs until `start`. */
export function createLoop(options: LoopOptions): Loop {
  let life: Life | null = null;
  let ended: Promise<void> = Promise.resolve();
  return {
    start() {
      if (life !== null) return;
      const next: Life = { stopping: false, wake: () => undefined };
      life = next;
      // Chained, so that a loop started again while its last pass still runs waits for it.
      ended = ended.then(() => live(options, next));
    },
    async stop() {
      if (life !== null) life.stopping = true;
      life?.wake();
      life = null;
      await ended;
    },
  };
}

async function live(options: LoopOptions, life: Life): Promise<void> {
  let failuresInRow = 0;
  for (;;) {
    await pause(options, life, failuresInRow);
    if (life.stopping) return;
    try {
      await options.run(() => life.stopping);
      failuresInRow = 0;
    } catch (error) {
      failuresInRow = Math.min(failuresInRow + 1, FAILURES_COUNTED_MAX);
      options.log.warn({ loop: options.name, failuresInRow, error }, "a background pass failed; it is repeated");
    }
  }
}

function pause({ clock, random, intervalMs }: LoopOptions, life: Life, failuresInRow: number): Promise<void> {
  if (life.stopping) return Promise.resolve();
  const delayMs = Math.min(intervalMs * 2 ** failuresInRow, Math.max(intervalMs, FAILURE_DELAY_MS_MAX));
  const jitter = 1 - JITTER_FRACTION + 2 * JITTER_FRACTION * random.fraction();
  return new Promise((resolve) => {
    const cancel = clock.setTimer(delayMs * jitter, resolve);
    life.wake = () => {
      cancel();
      resolve();
    };
  });
}
