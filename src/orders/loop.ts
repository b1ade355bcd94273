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

/** Builds a loop; nothing runs until `start`. */
export function createLoop(options: LoopOptions): Loop {
  const { clock, random, log, intervalMs } = options;
  let stopping = true;
  let cancelTimer: (() => void) | null = null;
  let running: Promise<void> = Promise.resolve();
  let failuresInRow = 0;

  const schedule = (): void => {
    if (stopping || cancelTimer !== null) return;
    const delayMs = Math.min(intervalMs * 2 ** failuresInRow, Math.max(intervalMs, FAILURE_DELAY_MS_MAX));
    const jitteredMs = delayMs * (1 - JITTER_FRACTION + 2 * JITTER_FRACTION * random.fraction());
    cancelTimer = clock.setTimer(jitteredMs, () => {
      cancelTimer = null;
      // Chained, so that a loop restarted while its last pass still runs waits for it.
      running = running.then(pass).then(schedule);
    });
  };

  const pass = async (): Promise<void> => {
    try {
      await options.run(() => stopping);
      failuresInRow = 0;
    } catch (error) {
      failuresInRow = Math.min(failuresInRow + 1, 10);
      log.warn({ loop: options.name, failuresInRow, error }, "a background pass failed; it is repeated");
    }
  };

  return {
    start() {
      if (!stopping) return;
      stopping = false;
      schedule();
    },
    async stop() {
      stopping = true;
      cancelTimer?.();
      cancelTimer = null;
      await running;
    },
  };
}
