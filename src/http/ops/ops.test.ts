import { beforeEach, expect, test } from "bun:test";
import { ManualClock, settle } from "../../../test/support/manual-clock.ts";
import { createFunnelCounters } from "../../adapters/local/funnel-counters.ts";
import type { SaleId } from "../../domain/ids.ts";
import { STAGES } from "../../domain/refusals.ts";
import type { Sale } from "../../domain/sale.ts";
import type { PlacesAudit } from "../../ledger/auditor.ts";
import type { DatabasePromise, LedgerStanding } from "../../ledger/ledger-view.ts";
import type { Stock } from "../../ports/ledger.ts";
import { createOpsApp, type MetricsPage, type ReadinessCheck } from "./app.ts";
import { createLedgerCheck } from "./ledger-check.ts";
import { createMetrics } from "./metrics.ts";
import type { PromiseSources } from "./promise-metrics.ts";

const quiet = () => undefined;
const SILENT = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const DROP = "drop" as SaleId;
const ON_DISK: DatabasePromise = { kind: "server", weakness: null, isAccepted: true };
const FORGETFUL: DatabasePromise = { kind: "server", weakness: "fsync is off", isAccepted: true };

let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
});

function ask(checks: readonly ReadinessCheck[], options: { isDraining?: () => boolean; metrics?: MetricsPage } = {}) {
  const isDraining = options.isDraining ?? (() => false);
  const app = createOpsApp({ checks, isDraining, metrics: options.metrics ?? null, clock, log: SILENT });
  return (path: string) => Promise.resolve(app.request(path));
}

test("health says that the process lives, whatever else is broken", async () => {
  const get = ask([{ name: "database", run: async () => "away" }], { isDraining: () => true });
  const response = await get("/healthz");
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "ok" });
});

test("a node is ready only when every check passes, and says which does not", async () => {
  let missing: string | null = "2 migrations are missing";
  const get = ask([
    { name: "database", run: async () => null },
    { name: "migrations", run: async () => missing },
  ]);
  const refused = await get("/readyz");
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(refused.headers.get("content-type")).toBe("application/problem+json");
  expect(await refused.json()).toMatchObject({
    reason: "not_ready",
    status: 503,
    detail: "migrations: 2 migrations are missing",
    checks: { database: "ok", migrations: "2 migrations are missing" },
  });
  missing = null;
  await clock.advance(501);
  const ready = await get("/readyz");
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({ status: "ok", checks: { database: "ok", migrations: "ok" } });
});

test("a remark is shown and keeps nobody away, beside a check that fails as well", async () => {
  let missing: string | null = null;
  const get = ask([
    { name: "ledger", run: async () => ({ remark: "durability everysec" }) },
    { name: "database", run: async () => missing },
  ]);
  const ready = await get("/readyz");
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({
    status: "ok",
    checks: { ledger: "ok: durability everysec", database: "ok" },
  });
  missing = "away";
  await clock.advance(501);
  const refused = await get("/readyz");
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({
    detail: "database: away",
    checks: { ledger: "ok: durability everysec" },
  });
});

test("the ledger's check names a weaker promise, and refuses only what this node cannot sell", async () => {
  const inMode = (...modes: string[]) => ({
    listSales: () => modes.map((mode) => ({ id: DROP, mode }) as unknown as Sale),
  });
  const run = (modes: string[], durability: "always" | "everysec" | null) =>
    createLedgerCheck({ sales: inMode(...modes), durability, database: () => ON_DISK }).run();
  for (const modes of [[], ["postgres"], ["redis", "draining", "warming", "closed"]]) {
    expect(await run(modes, "always")).toBeNull();
    const weaker = await run(modes, "everysec");
    expect(weaker).toEqual({ remark: expect.stringContaining("everysec") });
    expect(weaker).toEqual({ remark: expect.stringContaining("202") });
  }
  expect(await run([], null)).toBeNull();
  expect(await run(["postgres", "closed"], null)).toBeNull();
  for (const mode of ["redis", "draining", "warming"]) {
    expect(await run(["postgres", mode], null)).toContain(`sale drop is in ${mode} mode`);
    expect(await run(["postgres", mode], null)).toContain("REDIS_URL");
  }
});

test("the ledger's check names a PostgreSQL that may forget; a node whose server is not accepted is not ready", async () => {
  const run = (database: DatabasePromise, durability: "always" | "everysec" | null = null) =>
    createLedgerCheck({ sales: { listSales: () => [] }, durability, database: () => database }).run();
  expect(await run(FORGETFUL)).toEqual({ remark: expect.stringMatching(/everysec.*PostgreSQL.*fsync is off/) });
  expect(await run(FORGETFUL, "everysec")).toEqual({ remark: expect.stringMatching(/Redis.*PostgreSQL/) });
  expect(await run({ ...FORGETFUL, isAccepted: false })).toMatch(/fsync is off.*LEDGER_DURABILITY/);
  expect(await run({ kind: "embedded", weakness: null, isAccepted: true })).toBeNull();
});

test("a check that throws or never answers makes the node not ready, and leaks nothing", async () => {
  const get = ask([
    {
      name: "throws",
      run: async () => {
        throw new Error("postgres://user:hunter2@db");
      },
    },
    { name: "hangs", run: () => new Promise(() => undefined) },
  ]);
  const asked = get("/readyz");
  await settle();
  await clock.advance(1_000);
  const text = await (await asked).text();
  expect(text).not.toContain("hunter2");
  expect(JSON.parse(text).checks).toEqual({ throws: "failed; see the log", hangs: "no answer in time" });
});

test("however often readiness is asked, its checks run rarely", async () => {
  let runs = 0;
  const get = ask([
    {
      name: "database",
      run: async () => {
        runs += 1;
        return null;
      },
    },
  ]);
  for (let index = 0; index < 100; index += 1) await get("/readyz");
  expect(runs).toBe(1);
});

test("a draining node is not ready", async () => {
  const response = await ask([], { isDraining: () => true })("/readyz");
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ reason: "not_ready", checks: { node: "draining" } });
});

test("metrics are nobody's business where none are given", async () => {
  const response = await ask([])("/metrics");
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ reason: "not_found" });
});

const STANDING: LedgerStanding = {
  mode: "postgres",
  wanted: "redis",
  epoch: 6,
  reason: "Redis is away",
  sinceMs: 0,
  flips: 2,
  buckets: 1,
  durability: "always",
  database: ON_DISK,
  backlog: 17,
  bucketStock: [],
};

function stageMetrics() {
  const counters = createFunnelCounters();
  const state = {
    standing: STANDING,
    isEdgeThere: true,
    promises: { redis: null, postgres: ON_DISK } as ReturnType<PromiseSources["promises"]>,
    isAway: false,
    places: [] as PlacesAudit[],
    stock: { free: 4, granted: 0, held: 3, sold: 3, total: 10 },
    reads: 0,
  };
  const metrics = createMetrics({
    counts: counters,
    saleStore: {
      listSales: async () => {
        if (state.isAway) throw new Error("away");
        return [{ id: DROP, items: [{ itemId: 1, sku: "shoe" }] } as unknown as Sale];
      },
    },
    ledger: {
      readStock: async () => {
        state.reads += 1;
        return [{ itemId: 1, version: 1, seq: 1, epoch: 1, ...state.stock } satisfies Stock];
      },
    },
    backlog: () => 17,
    eventLoopDelayMs: () => 2.5,
    eventLoopDelayMsP99: () => 7.5,
    attemptsMax: () => 640,
    sseConnections: () => 42,
    risk: () => ({
      bands: { pass: 90, challenge: 7, slow_down: 3, refuse: 0 },
      causes: { accounts_on_device: 5, rhythm: 0 },
    }),
    throttled: () => [{ of: "attempts", limit: "network", count: 23 }],
    lastAudits: () => [
      {
        saleId: DROP,
        balanced: false,
        takenAt: clock.nowMs() - 3_000,
        mode: "postgres",
        epoch: 1,
        items: [],
        violations: [{ code: "oversold", sku: "shoe", text: "" }],
        unproven: null,
      },
    ],
    lastPlaces: () => state.places,
    ledgerView: { readAll: async (sales) => new Map(sales.map((sale) => [sale.id, state.standing])) },
    edge: { isReachable: () => state.isEdgeThere },
    promises: () => state.promises,
    clock,
    log: SILENT,
  });
  const scrape = async (): Promise<string> => (await ask([], { metrics })("/metrics")).text();
  return { counters, state, scrape };
}

/** Every sample of a scrape by its name with labels; a line that is no sample fails. */
function samplesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const match = /^([a-z_]+(?:\{[^}]*\})?) (-?[0-9.e+-]+)$/.exec(line);
      if (match === null) throw new Error(`not a sample: ${line}`);
      return [match[1] ?? "", Number(match[2])];
    }),
  );
}

test("a scrape copies every decision under its stage and reason, and says the same twice", async () => {
  const { counters, scrape } = stageMetrics();
  counters.decided(DROP, "sold_out", 0.004);
  counters.decided("other" as SaleId, "sold_out", 0.004);
  counters.decided(null, "no_such_sale", 0.004);
  counters.decided(DROP, "accepted", 3);
  await scrape();
  const samples = samplesOf(await scrape());
  const name = "doorbuster_funnel_decisions_total";
  expect(samples.get(`${name}{stage="sold-out",reason="sold_out"}`)).toBe(2);
  expect(samples.get(`${name}{stage="window",reason="no_such_sale"}`)).toBe(1);
  expect(samples.get(`${name}{stage="reserve",reason="accepted"}`)).toBe(1);
  expect(samples.get(`${name}{stage="throttle",reason="throttled"}`)).toBe(0);
  const stages = new Set([...samples.keys()].flatMap((key) => /stage="([^"]+)"/.exec(key)?.[1] ?? []));
  expect([...stages].sort()).toEqual([...STAGES, "none"].sort());
});

test("the latency histogram is cumulative, complete, and apart for acceptances and refusals", async () => {
  const { counters, scrape } = stageMetrics();
  for (let index = 0; index < 10; index += 1) counters.decided(DROP, "sold_out", 0.004);
  counters.decided(DROP, "accepted", 3);
  counters.decided(DROP, "accepted", 60_000);
  const samples = samplesOf(await scrape());
  const name = "doorbuster_funnel_decision_duration_seconds";
  expect(samples.get(`${name}_bucket{outcome="refused",le="0.00001"}`)).toBe(10);
  expect(samples.get(`${name}_bucket{outcome="accepted",le="0.0025"}`)).toBe(0);
  expect(samples.get(`${name}_bucket{outcome="accepted",le="0.005"}`)).toBe(1);
  expect(samples.get(`${name}_bucket{outcome="accepted",le="2.5"}`)).toBe(1);
  expect(samples.get(`${name}_bucket{outcome="accepted",le="+Inf"}`)).toBe(2);
  expect(samples.get(`${name}_count{outcome="accepted"}`)).toBe(2);
  expect(samples.get(`${name}_sum{outcome="accepted"}`)).toBeCloseTo(60.003);
});

test("stock, imbalance, audits and the state of the process are gauges", async () => {
  const { state, scrape } = stageMetrics();
  const balanced = samplesOf(await scrape());
  expect(balanced.get('doorbuster_stock_units{sale="drop",sku="shoe",place="held"}')).toBe(3);
  expect(balanced.get('doorbuster_ledger_imbalance{sale="drop",sku="shoe"}')).toBe(0);
  expect(balanced.get("doorbuster_backlog_attempts")).toBe(17);
  expect(balanced.get("doorbuster_event_loop_delay_seconds")).toBe(0.0025);
  expect(balanced.get("doorbuster_event_loop_delay_tail_seconds")).toBe(0.0075);
  expect(balanced.get("doorbuster_attempts_limit")).toBe(640);
  expect(balanced.get('doorbuster_risk_attempts_total{band="slow_down"}')).toBe(3);
  expect(balanced.get('doorbuster_risk_causes_total{cause="accounts_on_device"}')).toBe(5);
  expect(balanced.get('doorbuster_throttled_total{of="attempts",limit="network"}')).toBe(23);
  expect(balanced.get("doorbuster_sse_connections")).toBe(42);
  expect(balanced.get('doorbuster_audit_violations{sale="drop"}')).toBe(1);
  expect(balanced.get('doorbuster_audit_age_seconds{sale="drop"}')).toBe(3);
  expect(balanced.get("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
  expect(balanced.get("process_cpu_seconds_total")).toBeGreaterThan(0);
  state.stock = { ...state.stock, free: 6 };
  await clock.advance(1_001);
  expect(samplesOf(await scrape()).get('doorbuster_ledger_imbalance{sale="drop",sku="shoe"}')).toBe(2);
});

test("the quick audit's places, gaps and violations are exported; its sum is what an imbalance is measured by", async () => {
  const { state, scrape } = stageMetrics();
  const bucket = {
    bucket: 0,
    unapplied: 1,
    available: 2,
    leased: 1,
    uncommitted: 2,
    seq: 5,
    provenSeq: 3,
    isOpen: true,
  };
  const places = { free: 1, unapplied: 1, available: 2, leased: 1, uncommitted: 2, held: 1, sold: 1 };
  const item = { itemId: 1, sku: "shoe", total: 10, ...places, sum: 9, buckets: [{ ...bucket, gapMs: 2_500 }] };
  const text = "one unit is missing";
  state.places = [
    {
      ...{ saleId: DROP, mode: "redis", epoch: 2, takenAt: 0, trouble: null, unproven: null, balanced: false },
      items: [item],
      violations: [{ code: "places_mismatch", sku: "shoe", text }],
    },
  ];
  const samples = samplesOf(await scrape());
  expect(samples.get('doorbuster_ledger_imbalance{sale="drop",sku="shoe"}')).toBe(1);
  expect(samples.get('doorbuster_bucket_units{sale="drop",sku="shoe",place="uncommitted"}')).toBe(2);
  expect(samples.get('doorbuster_place_violations{sale="drop"}')).toBe(1);
  expect(samples.get('doorbuster_oldest_gap_seconds{sale="drop"}')).toBe(2.5);
});

test("modes, epochs, backlogs and the edge are exported for alarms", async () => {
  const { state, scrape } = stageMetrics();
  const degraded = samplesOf(await scrape());
  const modes = ["postgres", "redis", "draining", "warming", "closed"];
  const modeOf = (samples: ReadonlyMap<string, number>) =>
    modes.map((mode) => samples.get(`doorbuster_ledger_mode{sale="drop",mode="${mode}"}`));
  expect(modeOf(degraded)).toEqual([1, 0, 0, 0, 0]);
  expect(degraded.get('doorbuster_ledger_in_wanted_mode{sale="drop"}')).toBe(0);
  expect(degraded.get('doorbuster_ledger_epoch{sale="drop"}')).toBe(6);
  expect(degraded.get('doorbuster_ledger_backlog_reservations{sale="drop"}')).toBe(17);
  expect(degraded.get('doorbuster_ledger_mode_changes_total{sale="drop"}')).toBe(2);
  expect(degraded.get("doorbuster_edge_reachable")).toBe(1);
  state.standing = { ...STANDING, mode: "redis", epoch: 7, flips: 3, backlog: null };
  state.isEdgeThere = false;
  await clock.advance(1_001);
  const recovered = samplesOf(await scrape());
  expect(modeOf(recovered)).toEqual([0, 1, 0, 0, 0]);
  expect(recovered.get('doorbuster_ledger_in_wanted_mode{sale="drop"}')).toBe(1);
  expect(recovered.get('doorbuster_ledger_mode_changes_total{sale="drop"}')).toBe(3);
  expect(recovered.has('doorbuster_ledger_backlog_reservations{sale="drop"}')).toBe(false);
  expect(recovered.get("doorbuster_edge_reachable")).toBe(0);
});

test("a store that promises less than it should is an alarm of its own", async () => {
  const { state, scrape } = stageMetrics();
  const name = "doorbuster_promise_weaker";
  const well = samplesOf(await scrape());
  expect([well.get(`${name}{store="postgres"}`), well.has(`${name}{store="redis"}`)]).toEqual([0, false]);
  state.promises = { redis: "everysec", postgres: FORGETFUL };
  const weak = samplesOf(await scrape());
  expect([weak.get(`${name}{store="postgres"}`), weak.get(`${name}{store="redis"}`)]).toEqual([1, 1]);
  state.promises = { redis: "always", postgres: { kind: "embedded", weakness: null, isAccepted: true } };
  const embedded = samplesOf(await scrape());
  expect([embedded.get(`${name}{store="postgres"}`), embedded.get(`${name}{store="redis"}`)]).toEqual([1, 0]);
});

test("one scrape reads the stock once; without a database the stock is absent, not stale", async () => {
  const { state, scrape } = stageMetrics();
  expect(samplesOf(await scrape()).get("doorbuster_database_up")).toBe(1);
  expect(state.reads).toBe(1);
  state.isAway = true;
  await clock.advance(1_001);
  const samples = samplesOf(await scrape());
  expect(samples.get("doorbuster_database_up")).toBe(0);
  expect([...samples.keys()].some((key) => key.startsWith("doorbuster_stock_units"))).toBe(false);
});
