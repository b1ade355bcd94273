/** Proposals become bans once, few at a time and never without end; reports are written when there is something new. */
import { expect, test } from "bun:test";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../../../test/support/recording-log.ts";
import type { AutomaticBan } from "../../../ports/ban-store.ts";
import type { RiskReport } from "./risk-journal.ts";
import { RiskWork } from "./risk-work.ts";

function setting() {
  const clock = new ManualClock();
  const banned: AutomaticBan[] = [];
  const reports: unknown[] = [];
  const state = { fails: false, passed: 0, others: [] as unknown[], learnt: [] as readonly unknown[] };
  const bans = {
    async banAutomatically(ban: AutomaticBan) {
      if (state.fails) throw new Error("no database");
      banned.push(ban);
      return null;
    },
    async writeReport({ report }: { report: unknown }) {
      reports.push(report);
    },
    async readCounts() {
      return state.others as never[];
    },
  };
  const work = new RiskWork({ bans, runId: "one", clock, random: evenRandom(), log: new RecordingLog() });
  work.start({
    sharedCounts: () => ({ device: [], agent: [], network: [], system: [] }),
    learnCounts: (others) => {
      state.learnt = others;
    },
    report: (): RiskReport => ({
      bands: { pass: state.passed, challenge: 0, slow_down: 0, refuse: 0 },
      causes: {},
      suspects: [],
    }),
  });
  const propose = (subject: string) => work.propose({ kind: "buyer", subject, cause: "failed_challenges", figure: 31 });
  return { clock, banned, reports, state, work, propose };
}

test("a proposal becomes one ban, however often it is made, and may be made again later", async () => {
  const { clock, banned, work, propose } = setting();
  for (let times = 0; times < 100; times += 1) propose("ann");
  await clock.advance(3_000);
  expect(banned).toHaveLength(1);
  expect(banned[0]).toMatchObject({ kind: "buyer", subject: "ann", reason: "challenges failed: 31", banMs: 900_000 });
  await clock.advance(60_000);
  propose("ann");
  await clock.advance(3_000);
  expect(banned).toHaveLength(2);
  await work.stop();
});

test("a flood of proposals is bounded, in number and in pace", async () => {
  const { clock, banned, work, propose } = setting();
  for (let index = 0; index < 100_000; index += 1) propose(`buyer-${index}`);
  await clock.advance(1_300);
  expect(banned.length).toBeLessThanOrEqual(20);
  for (let second = 0; second < 40; second += 1) await clock.advance(1_000);
  expect(banned).toHaveLength(256);
  await work.stop();
});

test("a store that fails gets the proposal again", async () => {
  const { clock, banned, state, work, propose } = setting();
  state.fails = true;
  propose("ann");
  await clock.advance(3_000);
  state.fails = false;
  await clock.advance(30_000);
  expect(banned).toHaveLength(1);
  await work.stop();
});

test("a report is written when it changed, and not more often than every few seconds", async () => {
  const { clock, reports, state, work } = setting();
  const wait = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) await clock.advance(1_000);
  };
  await wait(20);
  expect(reports).toHaveLength(1);
  state.passed = 1;
  await wait(20);
  expect(reports).toHaveLength(2);
  // Others must not take this process for dead.
  await wait(60);
  expect(reports.length).toBeGreaterThanOrEqual(3);
  await work.stop();
});

test("what other processes counted is learnt every few seconds, also when there is nothing any more", async () => {
  const { clock, state, work } = setting();
  state.others = [{ device: [[1, 2, 3, 4, 5, 6]] }];
  for (let second = 0; second < 10; second += 1) await clock.advance(1_000);
  expect(state.learnt).toEqual(state.others);
  state.others = [];
  for (let second = 0; second < 10; second += 1) await clock.advance(1_000);
  expect(state.learnt).toEqual([]);
  await work.stop();
});
