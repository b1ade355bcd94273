/**
 * The simulator's word in every test run: thousands of schedules without a finding, and every mutant found.
 */
import { describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { runCampaign } from "./campaign.ts";
import { MUTANTS, mutantOf } from "./mutants.ts";
import { createSchedule } from "./schedule.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./simulate.ts";

/** `npm test` runs this many, the nightly run twelve times as many. */
const SCHEDULES = process.env["RUNS"] === undefined ? 25_000 : 300_000;
const CAMPAIGN_MS_MAX = SCHEDULES * 18;
const MUTANT_SCHEDULES_MAX = 2_000;
const MUTANT_MS_MAX = 120_000;

test(
  `${SCHEDULES} schedules: every invariant after every step, every unit sold once, every promise kept`,
  async () => {
    const schedules = SCHEDULES;
    const processes = Math.min(2, availableParallelism());
    const result = await runCampaign({ firstSeed: 1, schedules, processes, mutant: null });
    console.log(`${Math.round((result.schedules * 1_000) / result.tookMs)} schedules a second`);
    expect(result.found).toBeNull();
    expect(result.schedules).toBe(schedules);
    // What was run was worth running: Redis forgot in many, units were sold in all, people were turned away in between.
    expect(result.losses).toBeGreaterThan(schedules / 4);
    expect(result.epochs).toBeGreaterThan(schedules);
    expect(result.counts["sold"]).toBeGreaterThan(schedules);
    for (const answer of ["held", "queued", "empty", "limit_reached", "sold_out", "ended", "paused"]) {
      expect(result.counts[answer] ?? 0).toBeGreaterThan(schedules / 1_000);
    }
  },
  CAMPAIGN_MS_MAX,
);

describe("mutants", () => {
  test.each(MUTANTS)(
    "$name is noticed: $what",
    async ({ weakened, kills }) => {
      for (let seed = 1; seed <= MUTANT_SCHEDULES_MAX; seed += 1) {
        const { failure } = await simulate(createSchedule(seed), { weakened });
        if (failure === null) continue;
        expect(kills).toContain(failure.check);
        return;
      }
      throw new Error(`it survived ${MUTANT_SCHEDULES_MAX} schedules`);
    },
    MUTANT_MS_MAX,
  );
});

test("one seed is one schedule, and always comes to the same result, line by line", async () => {
  for (let seed = 300; seed < 310; seed += 1) {
    const first = await simulate(createSchedule(seed), { isTraced: true });
    const second = await simulate(createSchedule(seed), { isTraced: true });
    expect(second).toEqual(first);
    expect(first.moments).toBeGreaterThan(100);
  }
});

test("a schedule that fails is made smaller and fails the same check", async () => {
  const { weakened } = mutantOf("credit-not-idempotent");
  let seed = 1;
  while ((await simulate(createSchedule(seed), { weakened })).failure === null) seed += 1;
  const whole = createSchedule(seed);
  const { failure } = await simulate(whole, { weakened });
  const smallest = await shrink(whole, weakened);
  expect((await simulate(smallest, { weakened })).failure?.check).toBe(failure?.check);
  expect(smallest.events.length).toBeLessThan(whole.events.length);
});
