/**
 * One process of a campaign: runs every n-th seed and prints what it has so far, a line of JSON every second and at the end.
 *
 * Arguments: first seed, step, number of schedules, mutant ("" = none). Ends at its first finding.
 */
import type { PartReport } from "./campaign.ts";
import { mutantOf } from "./mutants.ts";
import { createSchedule } from "./schedule.ts";
import { simulate } from "./simulate.ts";

const REPORT_INTERVAL_MS = 1_000;

async function main(): Promise<void> {
  // Faults are thrown by the thousand here and nobody reads where.
  Error.stackTraceLimit = 0;
  const [first = "1", step = "1", schedules = "1", mutant = ""] = process.argv.slice(2);
  const weakened = mutant === "" ? {} : mutantOf(mutant).weakened;
  const sum = { schedules: 0, moments: 0, virtualMs: 0, losses: 0, epochs: 0 };
  const counts: Record<string, number> = {};
  let found: PartReport["found"] = null;
  let reportedAtMs = performance.now();
  const report = () => process.stdout.write(`${JSON.stringify({ ...sum, counts, found })}\n`);
  for (let index = 0; index < Number(schedules) && found === null; index += 1) {
    const seed = Number(first) + index * Number(step);
    const result = await simulate(createSchedule(seed), { weakened });
    sum.schedules += 1;
    sum.moments += result.moments;
    sum.virtualMs += result.virtualMs;
    sum.losses += result.hasLost ? 1 : 0;
    sum.epochs += result.epochs - 1;
    for (const [what, count] of result.counts) counts[what] = (counts[what] ?? 0) + count;
    if (result.failure !== null) found = { seed, failure: result.failure };
    if (performance.now() - reportedAtMs < REPORT_INTERVAL_MS) continue;
    reportedAtMs = performance.now();
    report();
  }
  report();
}

await main();
