import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Database } from "../../ports/database.ts";
import type { FunnelCounts } from "../../ports/funnel-counts.ts";
import type { RunReport, StatsStore } from "../../ports/stats-store.ts";
import { openPgliteDatabase } from "../pglite/pglite-database.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { createPostgresStatsStore } from "./postgres-stats-store.ts";

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

let database: Database;
let store: StatsStore;

beforeAll(async () => {
  database = await openPgliteDatabase({ directory: null, answerTimeoutMs: 20_000, log: SILENT });
  await migrate(database, await readMigrations());
  store = createPostgresStatsStore(database);
}, 60_000);

beforeEach(async () => {
  await database.query({ text: "TRUNCATE funnel_stats" });
});

afterAll(async () => {
  await database.close();
});

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

test("sums decisions, latencies and rates over all runs", async () => {
  const accepted = { counts: new Map([[8, 1]]), sumMs: 0.5 };
  await store.publish(report("a", { decisions: { sold_out: 5, accepted: 1 }, accepted }, 3));
  await store.publish(
    report("b", { decisions: { sold_out: 7 }, accepted: { counts: new Map([[8, 2]]), sumMs: 1 } }, 4),
  );
  const totals = await store.read("drop");
  expect(totals.decisions).toEqual({ sold_out: 12, accepted: 1 });
  expect([...totals.accepted.counts]).toEqual([[8, 3]]);
  expect(totals.accepted.sumMs).toBe(1.5);
  expect(totals.rates).toEqual({ acceptedPerS: 20, refusedPerS: 200 });
  expect(totals.runsAlive).toBe(2);
  expect(totals.backlog).toBe(7);
});

test("publishing the same report again counts nothing twice", async () => {
  const sent = report("a", { decisions: { busy: 2 } });
  await store.publish(sent);
  await store.publish(sent);
  expect((await store.read("drop")).decisions).toEqual({ busy: 2 });
});

test("what a run counted stays when the run is gone, its rates and backlog do not", async () => {
  await store.publish(report("dead", { decisions: { accepted: 40 } }, 9));
  await database.query({ text: "UPDATE funnel_stats SET updated_at = updated_at - 60000" });
  await store.publish(report("restarted", { decisions: { accepted: 2 } }, 1));
  const totals = await store.read("drop");
  expect(totals.decisions).toEqual({ accepted: 42 });
  expect(totals.rates).toEqual({ acceptedPerS: 10, refusedPerS: 100 });
  expect(totals.runsAlive).toBe(1);
  expect(totals.backlog).toBe(1);
});

test("counts beyond 32 bits add up exactly", async () => {
  await store.publish(report("a", { decisions: { busy: 5_000_000_000 } }));
  await store.publish(report("b", { decisions: { busy: 5_000_000_001 } }));
  expect((await store.read("drop")).decisions).toEqual({ busy: 10_000_000_001 });
});

test("a sale nobody asked about has empty totals", async () => {
  const totals = await store.read("quiet");
  expect(totals.decisions).toEqual({});
  expect(totals.rates).toEqual({ acceptedPerS: 0, refusedPerS: 0 });
});

test("decisions that this version does not know are left out", async () => {
  await store.publish(report("future", { decisions: { busy: 1, moon_phase: 3 } as FunnelCounts["decisions"] }));
  expect((await store.read("drop")).decisions).toEqual({ busy: 1 });
});
