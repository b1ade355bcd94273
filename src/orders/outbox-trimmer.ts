/**
 * Keeps the event log short: what every page has long since seen or will read afresh is deleted.
 *
 * A reader that was away for longer than the age reads the present state instead, which is the same truth.
 */
import type { Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { createLoop } from "./loop.ts";

const EVENT_AGE_MS_MAX = 24 * 60 * 60_000;
const INTERVAL_MS = 10 * 60_000;

/** Builds the loop; nothing runs until `start`. */
export function createOutboxTrimmer(parts: {
  events: Pick<EventLog, "trim">;
  clock: Clock;
  random: Random;
  log: Log;
}): { start(): void; stop(): Promise<void> } {
  const { events, clock, random, log } = parts;
  return createLoop({
    name: "outbox trimmer",
    clock,
    random,
    log,
    intervalMs: INTERVAL_MS,
    run: async () => {
      await events.trim({ ageMsMin: EVENT_AGE_MS_MAX });
    },
  });
}
