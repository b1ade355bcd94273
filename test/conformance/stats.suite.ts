/**
 * Statistics of all runs on real databases: sums that survive restarts and never count twice.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { createPostgresStatsStore } from "../../src/adapters/postgres/postgres-stats-store.ts";
import type { FunnelCounts } from "../../src/ports/funnel-counts.ts";
import type { RunReport, StatsStore } from "../../src/ports/stats-store.ts";
import type { LedgerFixture } from "./ledger-fixture.ts";

const NOTHING = { counts: new Map<number, number>(), sumMs: 0 };

function report(runId: string, counts: Partial<FunnelCounts>, backlog = 0): RunReport {
  const sale = {
    saleId: "drop",
    decisions: {},
    accepted: NOTHING,
    refused: NOTHING,
    rates: { acceptedPerS: 10, refusedPerS: 100 },
    ...counts,
  };
  return { runId, backlog, sales: [{ ...sale, saleId: null, decisions: {} }, sale] };
}

export function describeStats(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`statistics: ${name}`, () => {
    let fixture: LedgerFixture;
    let store: StatsStore;
    before(async () => {
      fixture = await open();
      store = createPostgresStatsStore(fixture.database);
    });
    beforeEach(async () => {
      await fixture.database.query({ text: "TRUNCATE funnel_stats" });
    });
    after(() => fixture.close());

    test("sums decisions, latencies and rates over all runs", async () => {
      const accepted = { counts: new Map([[8, 1]]), sumMs: 0.5 };
      await store.publish(report("a", { decisions: { sold_out: 5, accepted: 1 }, accepted }, 3));
      await store.publish(
        report("b", { decisions: { sold_out: 7 }, accepted: { counts: new Map([[8, 2]]), sumMs: 1 } }, 4),
      );
      const totals = await store.read("drop");
      assert.deepEqual(totals.decisions, { sold_out: 12, accepted: 1 });
      assert.deepEqual([...totals.accepted.counts], [[8, 3]]);
      assert.equal(totals.accepted.sumMs, 1.5);
      assert.deepEqual(totals.rates, { acceptedPerS: 20, refusedPerS: 200 });
      assert.equal(totals.runsAlive, 2);
      assert.equal(totals.backlog, 7);
    });

    test("publishing the same report again counts nothing twice", async () => {
      const sent = report("a", { decisions: { busy: 2 } });
      await store.publish(sent);
      await store.publish(sent);
      assert.deepEqual((await store.read("drop")).decisions, { busy: 2 });
    });

    test("what a run counted stays when the run is gone, its rates and backlog do not", async () => {
      await store.publish(report("dead", { decisions: { accepted: 40 } }, 9));
      await fixture.database.query({ text: "UPDATE funnel_stats SET updated_at = updated_at - 60000" });
      await store.publish(report("restarted", { decisions: { accepted: 2 } }, 1));
      const totals = await store.read("drop");
      assert.deepEqual(totals.decisions, { accepted: 42 });
      assert.deepEqual(totals.rates, { acceptedPerS: 10, refusedPerS: 100 });
      assert.equal(totals.runsAlive, 1);
      assert.equal(totals.backlog, 1);
    });

    test("counts beyond 32 bits add up exactly", async () => {
      await store.publish(report("a", { decisions: { busy: 5_000_000_000 } }));
      await store.publish(report("b", { decisions: { busy: 5_000_000_001 } }));
      assert.deepEqual((await store.read("drop")).decisions, { busy: 10_000_000_001 });
    });

    test("a sale nobody asked about has empty totals", async () => {
      const totals = await store.read("quiet");
      assert.deepEqual(totals.decisions, {});
      assert.deepEqual(totals.rates, { acceptedPerS: 0, refusedPerS: 0 });
    });

    test("decisions that this version does not know are left out", async () => {
      await store.publish(report("future", { decisions: { busy: 1, moon_phase: 3 } as FunnelCounts["decisions"] }));
      assert.deepEqual((await store.read("drop")).decisions, { busy: 1 });
    });
  });
}
