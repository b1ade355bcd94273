/**
 * Makes a failing schedule smaller: leaves events out, and calms the links, as long as the same check goes on failing.
 *
 * What remains is usually a handful of events that can be read. Bounded in runs, because each one is a whole schedule.
 */

import type { Weakened } from "./scene.ts";
import { CALM, type Schedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const RUNS_MAX = 400;

/** The smallest schedule found that fails the same check as the one given; that one itself if it does not fail. */
export async function shrink(schedule: Schedule, weakened: Weakened): Promise<Schedule> {
  const check = (await simulate(schedule, { weakened })).failure?.check;
  if (check === undefined) return schedule;
  let runs = 0;
  let smallest = schedule;
  const attempt = async (candidate: Schedule): Promise<boolean> => {
    runs += 1;
    const isAsBad = (await simulate(candidate, { weakened })).failure?.check === check;
    if (isAsBad) smallest = candidate;
    return isAsBad;
  };
  for (const link of ["provider", "postgres", "redis"] as const) {
    await attempt({ ...smallest, config: { ...smallest.config, [link]: CALM } });
  }
  // Halves first, then quarters, down to single events.
  for (let size = Math.ceil(smallest.events.length / 2); size >= 1 && runs < RUNS_MAX; size = Math.floor(size / 2)) {
    for (let start = 0; start < smallest.events.length && runs < RUNS_MAX; ) {
      const { events } = smallest;
      const isDropped = await attempt({
        ...smallest,
        events: [...events.slice(0, start), ...events.slice(start + size)],
      });
      if (!isDropped) start += size;
    }
  }
  return smallest;
}
