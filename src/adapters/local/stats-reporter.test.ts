import { beforeEach, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { Fault } from "../../domain/faults.ts";
import type { SaleId } from "../../domain/ids.ts";
import type { RunReport } from "../../ports/stats-store.ts";
import { createFunnelCounters } from "./funnel-counters.ts";
import { createStatsReporter } from "./stats-reporter.ts";

const DROP = "drop" as SaleId;

function stage() {
  const clock = new ManualClock();
  const counters = createFunnelCounters();
  const published: RunReport[] = [];
  const warnings: unknown[] = [];
  const state = { isAway: false, hold: null as Promise<void> | null };
  const quiet = () => undefined;
  const reporter = createStatsReporter({
    counts: counters,
    runId: "run-1",
    backlog: () => 5,
    clock,
    log: { debug: quiet, info: quiet, warn: (fields) => void warnings.push(fields), error: quiet },
    store: {
      publish: async (report) => {
        if (state.isAway) throw new Fault("DATABASE_UNAVAILABLE");
        if (state.hold !== null) await state.hold;
        published.push(report);
      },
      read: () => Promise.reject(new Error("the reporter does not read")),
    },
  });
  return { clock, counters, published, warnings, state, reporter };
}

let staged: ReturnType<typeof stage>;

beforeEach(() => {
  staged = stage();
});

const dropOf = (report: RunReport | undefined) => report?.sales.find((sale) => sale.saleId === DROP);

test("publishes cumulative figures each second, with the backlog of the process", async () => {
  const { clock, counters, published, reporter } = staged;
  reporter.start();
  counters.decided(DROP, "sold_out", 1);
  await clock.advance(1_000);
  counters.decided(DROP, "sold_out", 1);
  await clock.advance(1_000);
  expect(published.map((report) => dropOf(report)?.decisions)).toEqual([{ sold_out: 1 }, { sold_out: 2 }]);
  expect(published[0]).toMatchObject({ runId: "run-1", backlog: 5 });
  await reporter.stop();
});

test("a process without traffic still says that it is alive", async () => {
  const { clock, published, reporter } = staged;
  reporter.start();
  await clock.advance(60_000);
  expect(published.length).toBeGreaterThan(25);
  expect(published.at(-1)?.sales.map((sale) => sale.saleId)).toEqual([null]);
  await reporter.stop();
});

test("rates are the mean of the last seconds and fall to zero when traffic ends", async () => {
  const { clock, counters, published, reporter } = staged;
  reporter.start();
  for (let second = 0; second < 10; second += 1) {
    for (let hit = 0; hit < 20; hit += 1) counters.decided(DROP, hit < 5 ? "accepted" : "busy", 1);
    await clock.advance(1_000);
  }
  expect(dropOf(published.at(-1))?.rates).toEqual({ acceptedPerS: 5, refusedPerS: 15 });
  await clock.advance(15_000);
  expect(dropOf(published.at(-1))?.rates).toEqual({ acceptedPerS: 0, refusedPerS: 0 });
  await reporter.stop();
});

test("the first second of a sale already has its rate", async () => {
  const { clock, counters, published, reporter } = staged;
  reporter.start();
  await clock.advance(3_000);
  for (let hit = 0; hit < 700; hit += 1) counters.decided(DROP, "sold_out", 0.01);
  await clock.advance(1_000);
  expect(dropOf(published.at(-1))?.rates).toEqual({ acceptedPerS: 0, refusedPerS: 700 });
  await reporter.stop();
});

test("a database that is away costs nothing but time: the next publication has it all", async () => {
  const { clock, counters, published, warnings, state, reporter } = staged;
  reporter.start();
  state.isAway = true;
  for (let second = 0; second < 10; second += 1) {
    counters.decided(DROP, "busy", 1);
    await clock.advance(1_000);
  }
  expect(published).toEqual([]);
  expect(warnings).toHaveLength(1);
  state.isAway = false;
  counters.decided(DROP, "busy", 1);
  await clock.advance(1_000);
  expect(dropOf(published.at(-1))?.decisions).toEqual({ busy: 11 });
  await reporter.stop();
});

test("a slow database never gets a second publication while one is under way", async () => {
  const { clock, counters, published, state, reporter } = staged;
  const release = Promise.withResolvers<void>();
  state.hold = release.promise;
  reporter.start();
  for (let second = 0; second < 30; second += 1) {
    counters.decided(DROP, "busy", 1);
    await clock.advance(1_000);
  }
  expect(published).toEqual([]);
  state.hold = null;
  release.resolve();
  await clock.advance(1_000);
  expect(published.length).toBeLessThanOrEqual(2);
  await reporter.stop();
});

test("stopping publishes what is left and leaves no timer", async () => {
  const { clock, counters, published, reporter } = staged;
  reporter.start();
  counters.decided(DROP, "paused", 1);
  await reporter.stop();
  expect(dropOf(published.at(-1))?.decisions).toEqual({ paused: 1 });
  expect(clock.timerCount).toBe(0);
});
