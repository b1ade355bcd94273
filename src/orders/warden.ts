/**
 * The warden: turns holds that were left unpaid into cool-downs, and forgets bans that ended long ago.
 *
 * Which hold counts, and for how long, is the store's one statement (migrations/0013_bans.sql); this only sees to it that it
 * happens within a second or two of an ending, which is soon enough: units given back are on sale to everybody by then.
 */
import type { BanStore } from "../ports/ban-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { createLoop, type Loop } from "./loop.ts";

const INTERVAL_MS = 1_000;
const ROWS_MAX = 1_000;
const BATCHES_PER_PASS_MAX = 20;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Holds left unpaid within this time add up. */
const WINDOW_MS = DAY_MS;
/** How long an ended ban can be looked at, and an operator's lifting of one be remembered. */
const BAN_AGE_MS_MAX = 30 * DAY_MS;
/** A process that reported nothing for this long is gone. */
const REPORT_AGE_MS_MAX = HOUR_MS;

export interface WardenParts {
  readonly bans: Pick<BanStore, "coolDown" | "forget">;
  /** The longest cool-down; 0 = there are none. */
  readonly coolDownMsMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Builds the loop; nothing runs until `start`. */
export function createWarden(parts: WardenParts): Loop {
  const { bans, coolDownMsMax, clock, random, log } = parts;
  let forgottenAtMs = Number.NEGATIVE_INFINITY;
  return createLoop({
    name: "warden",
    clock,
    random,
    log,
    intervalMs: INTERVAL_MS,
    run: async (isStopping) => {
      if (coolDownMsMax > 0) await coolDownAll(parts, isStopping);
      if (clock.monotonicMs() - forgottenAtMs < HOUR_MS) return;
      await bans.forget({
        banAgeMsMin: BAN_AGE_MS_MAX,
        dropAgeMsMin: 2 * WINDOW_MS,
        reportAgeMsMin: REPORT_AGE_MS_MAX,
      });
      forgottenAtMs = clock.monotonicMs();
    },
  });
}

/** As long as whole batches come back there may be more. */
async function coolDownAll({ bans, coolDownMsMax, log }: WardenParts, isStopping: () => boolean): Promise<void> {
  let buyers = 0;
  for (let batch = 0; batch < BATCHES_PER_PASS_MAX && !isStopping(); batch += 1) {
    const made = await bans.coolDown({ rowsMax: ROWS_MAX, windowMs: WINDOW_MS, coolDownMsMax });
    buyers += made;
    if (made === 0) break;
  }
  if (buyers > 0) log.info({ buyers }, "buyers cool down after leaving holds unpaid");
}
