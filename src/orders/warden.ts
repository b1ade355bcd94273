/**
 * The warden: turns holds that were left unpaid into cool-downs, and forgets bans that ended long ago.
 *
 * Which hold counts, and for how long, is the store's one statement (migrations/0013_bans.sql). The sweeper has it done
 * before it gives units back, so that whoever let them run out is not the first to take them again; the loop here does
 * what that left over, and holds that were given back.
 */
import type { BanStore } from "../ports/ban-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { createLoop, type Loop } from "./loop.ts";

const INTERVAL_MS = 1_000;
const ROWS_MAX = 1_000;
const BATCHES_PER_PASS_MAX = 20;
/** A hint and a look at the list take nodes some hundredths of a second. */
const HEARD_AFTER_MS = 300;
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

export interface Warden extends Loop {
  /** Makes the cool-downs that are due now, and waits until nodes have heard of them. Throws faults of the store. */
  coolDown(): Promise<void>;
}

/** Builds the warden; nothing runs by itself until `start`. */
export function createWarden(parts: WardenParts): Warden {
  const { bans, coolDownMsMax, clock, random, log } = parts;
  let forgottenAtMs = Number.NEGATIVE_INFINITY;
  const loop = createLoop({
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
  return {
    start: () => loop.start(),
    stop: () => loop.stop(),
    coolDown: async () => {
      if (coolDownMsMax === 0 || (await coolDownAll(parts, () => false)) === 0) return;
      await new Promise<void>((resolve) => clock.setTimer(HEARD_AFTER_MS, resolve));
    },
  };
}

/** As long as whole batches come back there may be more. */
async function coolDownAll({ bans, coolDownMsMax, log }: WardenParts, isStopping: () => boolean): Promise<number> {
  let holds = 0;
  for (let batch = 0; batch < BATCHES_PER_PASS_MAX && !isStopping(); batch += 1) {
    const looked = await bans.coolDown({ rowsMax: ROWS_MAX, windowMs: WINDOW_MS, coolDownMsMax });
    holds += looked;
    if (looked < ROWS_MAX) break;
  }
  if (holds > 0) log.info({ holds }, "holds left unpaid were looked at for cool-downs");
  return holds;
}
