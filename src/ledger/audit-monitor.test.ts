import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { Sale } from "../domain/sale.ts";
import { createAuditMonitor } from "./audit-monitor.ts";
import type { AuditReport, PlacesAudit } from "./auditor.ts";

const DAY_MS = 86_400_000;

function stage(sales: readonly Partial<Sale>[]) {
  const clock = new ManualClock();
  const audited: string[] = [];
  const errors: unknown[] = [];
  const looked: string[] = [];
  const warnings: unknown[] = [];
  const state = {
    violations: [] as AuditReport["violations"],
    misplaced: [] as PlacesAudit["violations"],
    tookMs: 0,
    isAway: false,
    areBucketsAway: false,
  };
  const quiet = () => undefined;
  const monitor = createAuditMonitor({
    clock,
    log: {
      debug: quiet,
      info: quiet,
      warn: (fields) => void warnings.push(fields),
      error: (fields) => void errors.push(fields),
    },
    saleStore: {
      listSales: async () => {
        if (state.isAway) throw new Error("away");
        return sales.map(
          (sale) =>
            ({ phase: "scheduled", opensAt: 0, closesAt: 9e15, closedAt: null, eligibility: {}, ...sale }) as Sale,
        );
      },
    },
    auditor: {
      audit: async (saleId) => {
        audited.push(saleId);
        if (state.tookMs > 0) await new Promise<void>((resolve) => clock.setTimer(state.tookMs, resolve));
        const { violations } = state;
        const verdict = { balanced: violations.length === 0, violations, items: [], unproven: null };
        return { saleId, takenAt: clock.nowMs(), mode: "postgres", epoch: 1, ...verdict };
      },
      auditPlaces: async (saleId) => {
        looked.push(saleId);
        if (state.areBucketsAway) throw new Error("no answer");
        const violations = state.misplaced;
        const verdict = { balanced: violations.length === 0, violations, items: [], unproven: null, trouble: null };
        return { saleId, takenAt: clock.nowMs(), mode: "redis", epoch: 1, ...verdict };
      },
    },
  });
  return { clock, audited, looked, errors, warnings, state, monitor };
}

const ids = (...names: string[]) => names.map((id) => ({ id }) as Partial<Sale>);

test("running sales are audited every five minutes, and stopping ends it", async () => {
  const { clock, audited, monitor } = stage(ids("a", "b"));
  monitor.start();
  await clock.advance(299_999);
  expect(audited).toEqual([]);
  await clock.advance(1);
  expect(audited).toEqual(["a", "b"]);
  await clock.advance(300_000);
  expect(audited).toHaveLength(4);
  await monitor.stop();
  await clock.advance(DAY_MS);
  expect(audited).toHaveLength(4);
  expect(clock.timerCount).toBe(0);
});

test("an audit that takes long makes the next one wait longer", async () => {
  const { clock, audited, state, monitor } = stage(ids("a"));
  state.tookMs = 10_000;
  monitor.start();
  await clock.advance(310_000);
  expect(audited).toHaveLength(1);
  await clock.advance(1_999_000);
  expect(audited).toHaveLength(1);
  await clock.advance(2_000);
  expect(audited).toHaveLength(2);
});

test("sales that have not opened are left alone, finished ones are audited until they have settled", async () => {
  const now = new ManualClock().nowMs();
  const { clock, audited, monitor } = stage([
    { id: "future", opensAt: now + 30 * DAY_MS } as Partial<Sale>,
    { id: "over", phase: "closed", closedAt: now - 1_000 } as Partial<Sale>,
  ]);
  await monitor.runOnce();
  await monitor.runOnce();
  expect(audited).toEqual(["over", "over"]);
  await clock.advance(DAY_MS);
  await monitor.runOnce();
  await monitor.runOnce();
  expect(audited).toEqual(["over", "over", "over"]);
});

test("a violation is logged as an error and stays to be seen", async () => {
  const { errors, state, monitor } = stage(ids("a"));
  state.violations = [{ code: "oversold", sku: "shoe", text: "Orders own more units than there are." }];
  await monitor.runOnce();
  expect(errors).toMatchObject([{ saleId: "a", violations: [{ code: "oversold" }] }]);
  expect(monitor.lastReports()).toMatchObject([{ saleId: "a", balanced: false }]);
});

test("a store that is away does not end the rounds", async () => {
  const { clock, audited, state, monitor } = stage(ids("a"));
  state.isAway = true;
  monitor.start();
  await clock.advance(300_000);
  state.isAway = false;
  await clock.advance(300_000);
  expect(audited).toEqual(["a"]);
});

test("running sales are looked at every second, others not", async () => {
  const now = new ManualClock().nowMs();
  const { clock, looked, monitor } = stage([
    { id: "open" } as Partial<Sale>,
    { id: "future", opensAt: now + 30 * DAY_MS } as Partial<Sale>,
    { id: "over", phase: "closed", closedAt: now - 1_000 } as Partial<Sale>,
    { id: "over-in-redis", phase: "closed", closedAt: now - 1_000, mode: "redis" } as Partial<Sale>,
  ]);
  monitor.start();
  await clock.advance(3_000);
  expect(looked).toEqual(["open", "over-in-redis", "open", "over-in-redis", "open", "over-in-redis"]);
  expect(monitor.lastPlaces().map((places) => places.saleId as string)).toEqual(["open", "over-in-redis"]);
  await monitor.stop();
  expect(clock.timerCount).toBe(0);
});

test("a unit that is not where it should be is an error each time it is seen", async () => {
  const { errors, state, monitor } = stage(ids("a"));
  state.misplaced = [{ code: "places_mismatch", sku: "shoe", text: "one is missing" }];
  await monitor.lookOnce();
  await monitor.lookOnce();
  expect(errors).toHaveLength(2);
  expect(monitor.lastPlaces()).toMatchObject([{ saleId: "a", balanced: false }]);
});

test("buckets that do not answer are no alarm, leave nothing stale behind, and are mentioned once a minute", async () => {
  const { clock, errors, warnings, state, monitor } = stage(ids("a"));
  await monitor.lookOnce();
  state.areBucketsAway = true;
  monitor.start();
  await clock.advance(30_000);
  expect([errors.length, warnings.length, monitor.lastPlaces().length]).toEqual([0, 1, 0]);
  await monitor.stop();
});
