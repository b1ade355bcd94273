/**
 * Prometheus metrics of this process, copied together at scrape: the hot path only ever adds to plain numbers.
 *
 * Counters and the latency histogram are rebuilt from the funnel's counters; stock comes from the ledger, at most once
 * per STOCK_CACHE_MS and for the newest sales only, so a scrape neither loads the database nor grows without bound. When
 * the database does not answer, stock gauges are absent rather than stale, and `doorbuster_database_up` says why.
 */
import {
  Counter,
  Gauge,
  type Metric,
  type MetricObjectWithValues,
  type MetricValueWithName,
  Registry,
} from "@prometheus-io/client";
import type { LedgerMode, Sale } from "../../domain/sale.ts";
import type { RiskReport } from "../../funnel/6-admission/risk/risk-journal.ts";
import type { AuditReport, PlacesAudit } from "../../ledger/auditor.ts";
import type { LedgerStanding, LedgerView } from "../../ledger/ledger-view.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EdgeState } from "../../ports/edge-state.ts";
import { DECISIONS, type FunnelCountsReader, type LatencyRecord, stageOfDecision } from "../../ports/funnel-counts.ts";
import type { Ledger, Stock } from "../../ports/ledger.ts";
import type { SaleStore } from "../../ports/sale-store.ts";
import type { Decision, Log } from "../../ports/telemetry.ts";
import type { MetricsPage } from "./app.ts";
import { addPlaceMetrics } from "./place-metrics.ts";
import { addPromiseMetrics, type PromiseSources } from "./promise-metrics.ts";

/** What is measured. Functions are called at scrape and must not block. */
export interface MetricsSources extends PromiseSources {
  readonly counts: FunnelCountsReader;
  readonly saleStore: Pick<SaleStore, "listSales">;
  readonly ledger: Pick<Ledger, "readStock">;
  /** Attempts that wait for the ledger in this process. */
  backlog(): number;
  eventLoopDelayMs(): number;
  /** What one in a hundred turns of the last ten seconds exceeded. */
  eventLoopDelayMsP99(): number;
  /** Attempts that this process lets wait for the ledger at once, now. */
  attemptsMax(): number;
  sseConnections(): number;
  /** How often each limit of each set held a request back; a request may meet several. */
  throttled(): readonly ThrottleCount[];
  /** How many attempts stood in each band of risk, and in how many each cause counted. */
  risk(): Pick<RiskReport, "bands" | "causes">;
  /** The last audit of each sale that this process made. */
  lastAudits(): readonly AuditReport[];
  /** The last quick look at each running sale that this process made. */
  lastPlaces(): readonly PlacesAudit[];
  /** How sales' ledgers stand; absent or null = not exported. */
  readonly ledgerView?: Pick<LedgerView, "readAll"> | null;
  /** Absent or null where no edge is configured. */
  readonly edge?: Pick<EdgeState, "isReachable"> | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** What one limit held back. */
export interface ThrottleCount {
  /** Which set of limits: attempts, sessions or reads. */
  readonly of: string;
  readonly limit: string;
  readonly count: number;
}

/** Sales whose stock is exported: the newest. */
const SALES_MAX = 50;
const STOCK_CACHE_MS = 1_000;
const US_PER_S = 1_000_000;
const MS_PER_S = 1_000;
/** Upper bounds of the exported histogram in seconds: from a latch's microseconds to a struggling database. */
const BUCKETS_S = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
];

const LEDGER_MODES = ["postgres", "redis", "draining", "warming", "closed"] as const satisfies readonly LedgerMode[];

interface LedgerMetric {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  samples(ledger: LedgerStanding): readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
}

interface StockOfSale {
  readonly sale: Sale;
  readonly stock: readonly Stock[];
  /** Null where it is not exported. */
  readonly ledger: LedgerStanding | null;
}

/** The metrics page over the sources. */
export function createMetrics(sources: MetricsSources): MetricsPage {
  const registry = new Registry();
  const readStock = shareStock(sources);
  addFunnelMetrics(registry, sources);
  addProcessMetrics(registry, sources);
  addStockMetrics(registry, sources, readStock);
  addAuditMetrics(registry, sources);
  addPlaceMetrics(registry, sources.lastPlaces);
  addPromiseMetrics(registry, sources);
  if (sources.ledgerView) addLedgerMetrics(registry, readStock);
  return { contentType: registry.contentType, render: () => registry.metrics() };
}

function addFunnelMetrics(registry: Registry, sources: MetricsSources): void {
  new Counter({
    name: "doorbuster_funnel_decisions_total",
    help: "Decided attempts of this process by the stage that decided and the reason.",
    labelNames: ["stage", "reason"],
    registers: [registry],
    collect() {
      this.reset();
      const sums = sumDecisions(sources.counts);
      for (const decision of DECISIONS) {
        this.inc({ stage: stageOfDecision(decision), reason: decision }, sums.get(decision) ?? 0);
      }
    },
  });
  new Counter({
    name: "doorbuster_throttled_total",
    help: "Requests that a limit held back, by the limit; one that several held back counts for each.",
    labelNames: ["of", "limit"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { of, limit, count } of sources.throttled()) this.inc({ of, limit }, count);
    },
  });
  registry.registerMetric(latencyMetric(sources.counts));
  addRiskMetrics(registry, sources);
}

function addRiskMetrics(registry: Registry, sources: MetricsSources): void {
  const add = (options: { name: string; help: string; label: string; read: () => Readonly<Record<string, number>> }) =>
    new Counter({
      name: options.name,
      help: options.help,
      labelNames: [options.label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(options.read())) this.inc({ [options.label]: value }, count);
      },
    });
  add({
    name: "doorbuster_risk_attempts_total",
    help: "Attempts that reached the score, by the band it stood in.",
    label: "band",
    read: () => sources.risk().bands,
  });
  add({
    name: "doorbuster_risk_causes_total",
    help: "Attempts against which a cause counted; one with several counts for each.",
    label: "cause",
    read: () => sources.risk().causes,
  });
}

function addProcessMetrics(registry: Registry, sources: MetricsSources): void {
  const add = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  const startedAtS = (sources.clock.nowMs() - process.uptime() * MS_PER_S) / MS_PER_S;
  add("doorbuster_backlog_attempts", "Attempts that wait for the ledger in this process.", sources.backlog);
  add(
    "doorbuster_event_loop_delay_seconds",
    "How late the event loop runs.",
    () => sources.eventLoopDelayMs() / MS_PER_S,
  );
  add(
    "doorbuster_event_loop_delay_tail_seconds",
    "How late one in a hundred turns of the event loop was, in the last ten seconds.",
    () => sources.eventLoopDelayMsP99() / MS_PER_S,
  );
  add("doorbuster_attempts_limit", "Attempts that may wait for the ledger at once, now.", sources.attemptsMax);
  add("doorbuster_sse_connections", "Open event streams of buyers.", sources.sseConnections);
  const { edge } = sources;
  if (edge) add("doorbuster_edge_reachable", "1 while the edge Redis answers.", () => (edge.isReachable() ? 1 : 0));
  add("process_start_time_seconds", "When the process started.", () => startedAtS);
  add("process_resident_memory_bytes", "Memory of the process.", () => process.memoryUsage.rss());
  new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of the process, user and system.",
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / US_PER_S);
    },
  });
}

function addStockMetrics(
  registry: Registry,
  sources: MetricsSources,
  readStock: () => Promise<readonly StockOfSale[] | null>,
): void {
  new Gauge({
    name: "doorbuster_database_up",
    help: "1 when the last scrape could read the ledger.",
    registers: [registry],
    async collect() {
      this.set((await readStock()) === null ? 0 : 1);
    },
  });
  new Gauge({
    name: "doorbuster_stock_units",
    help: "Units of an item by where they are.",
    labelNames: ["sale", "sku", "place"],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { sale, sku, stock } of itemsOf(await readStock())) {
        for (const place of ["free", "granted", "held", "sold"] as const) this.set({ sale, sku, place }, stock[place]);
      }
    },
  });
  new Gauge({
    name: "doorbuster_ledger_imbalance",
    help: "Units that the places of an item lack or have too many; anything but 0 is an emergency.",
    labelNames: ["sale", "sku"],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { sale, sku, stock } of itemsOf(await readStock())) {
        this.set({ sale, sku }, Math.abs(stock.total - stock.free - stock.granted - stock.held - stock.sold));
      }
      // In redis mode the row alone says little: the look at the buckets counts all seven places.
      for (const { saleId: sale, items } of sources.lastPlaces()) {
        for (const { sku, sum, total } of items) this.set({ sale, sku }, Math.abs(sum - total));
      }
    },
  });
}

function addLedgerMetrics(registry: Registry, readStock: () => Promise<readonly StockOfSale[] | null>): void {
  const add = (kind: typeof Gauge | typeof Counter, what: LedgerMetric): void => {
    new kind({
      name: what.name,
      help: what.help,
      labelNames: ["sale", ...(what.labels ?? [])],
      registers: [registry],
      async collect() {
        this.reset();
        for (const { sale, ledger } of (await readStock()) ?? []) {
          if (ledger === null) continue;
          for (const [labels, value] of what.samples(ledger)) this.inc({ sale: sale.id, ...labels }, value);
        }
      },
    });
  };
  add(Gauge, {
    name: "doorbuster_ledger_mode",
    help: "1 for the mode a sale's ledger is in, 0 for the others.",
    labels: ["mode"],
    samples: ({ mode }) => LEDGER_MODES.map((name) => [{ mode: name }, name === mode ? 1 : 0]),
  });
  add(Gauge, {
    name: "doorbuster_ledger_in_wanted_mode",
    help: "1 while a sale's ledger is in the mode it belongs in with all servers well.",
    samples: ({ mode, wanted }) => [[{}, mode === wanted ? 1 : 0]],
  });
  add(Gauge, {
    name: "doorbuster_ledger_epoch",
    help: "The fencing number of a sale's ledger.",
    samples: ({ epoch }) => [[{}, epoch]],
  });
  add(Gauge, {
    name: "doorbuster_ledger_backlog_reservations",
    help: "Reservations that Redis accepted and PostgreSQL does not have yet; absent while Redis does not answer.",
    samples: ({ backlog }) => (backlog === null ? [] : [[{}, backlog]]),
  });
  add(Counter, {
    name: "doorbuster_ledger_mode_changes_total",
    help: "Returns of a sale's ledger to redis mode.",
    samples: ({ flips }) => [[{}, flips]],
  });
}

function addAuditMetrics(registry: Registry, sources: MetricsSources): void {
  new Gauge({
    name: "doorbuster_audit_violations",
    help: "Violations found by the last audit this process made of the sale; anything but 0 is an emergency.",
    labelNames: ["sale"],
    registers: [registry],
    collect() {
      this.reset();
      for (const report of sources.lastAudits()) this.set({ sale: report.saleId }, report.violations.length);
    },
  });
  new Gauge({
    name: "doorbuster_audit_age_seconds",
    help: "How long ago that audit's snapshot was taken.",
    labelNames: ["sale"],
    registers: [registry],
    collect() {
      this.reset();
      for (const report of sources.lastAudits()) {
        this.set({ sale: report.saleId }, (sources.clock.nowMs() - report.takenAt) / MS_PER_S);
      }
    },
  });
}

function sumDecisions(counts: FunnelCountsReader): ReadonlyMap<Decision, number> {
  const sums = new Map<Decision, number>();
  for (const { decisions } of counts.readCounts()) {
    for (const decision of DECISIONS) sums.set(decision, (sums.get(decision) ?? 0) + (decisions[decision] ?? 0));
  }
  return sums;
}

/**
 * The histogram, from buckets that were counted elsewhere. The library's own Histogram can only observe single values,
 * so this is a metric of the registry's interface (`get`) instead.
 */
function latencyMetric(counts: FunnelCountsReader): Metric<string> {
  const name = "doorbuster_funnel_decision_duration_seconds";
  const metric = {
    name,
    get: async (): Promise<MetricObjectWithValues<MetricValueWithName<string>>> => ({
      name,
      help: "From arrival to decision, by outcome.",
      type: "histogram",
      aggregator: "sum",
      collect: () => undefined,
      values: (["accepted", "refused"] as const).flatMap((outcome) =>
        histogramValues(
          name,
          outcome,
          counts.readCounts().map((sale) => sale[outcome]),
        ),
      ),
    }),
  };
  return metric as unknown as Metric<string>;
}

function histogramValues(
  name: string,
  outcome: string,
  records: readonly LatencyRecord[],
): MetricValueWithName<string>[] {
  const hits = records.flatMap((record) => [...record.counts]);
  const below = (endS: number): number =>
    hits.reduce((sum, [endUs, count]) => (endUs / US_PER_S <= endS ? sum + count : sum), 0);
  const count = below(Number.POSITIVE_INFINITY);
  const sumS = records.reduce((sum, record) => sum + record.sumMs, 0) / MS_PER_S;
  return [
    ...BUCKETS_S.map((le) => ({ metricName: `${name}_bucket`, labels: { outcome, le }, value: below(le) })),
    { metricName: `${name}_bucket`, labels: { outcome, le: "+Inf" }, value: count },
    { metricName: `${name}_sum`, labels: { outcome }, value: sumS },
    { metricName: `${name}_count`, labels: { outcome }, value: count },
  ];
}

function itemsOf(
  sales: readonly StockOfSale[] | null,
): readonly { readonly sale: string; readonly sku: string; readonly stock: Stock }[] {
  return (sales ?? []).flatMap(({ sale, stock }) =>
    sale.items.flatMap((item) => {
      const figures = stock.find((candidate) => candidate.itemId === item.itemId);
      return figures === undefined ? [] : [{ sale: sale.id, sku: item.sku, stock: figures }];
    }),
  );
}

/** Reads the stock of the newest sales through a cache that all gauges of a scrape share; null without a database. */
function shareStock(sources: MetricsSources): () => Promise<readonly StockOfSale[] | null> {
  let shared: { readonly startedMs: number; readonly stock: Promise<readonly StockOfSale[] | null> } | null = null;
  return () => {
    const nowMs = sources.clock.monotonicMs();
    if (shared === null || nowMs - shared.startedMs > STOCK_CACHE_MS) {
      shared = { startedMs: nowMs, stock: readStockOfSales(sources) };
    }
    return shared.stock;
  };
}

async function readStockOfSales(sources: MetricsSources): Promise<readonly StockOfSale[] | null> {
  try {
    const sales = await sources.saleStore.listSales({ rowsMax: SALES_MAX });
    const itemIds = sales.flatMap((sale) => sale.items.map((item) => item.itemId));
    const stock = itemIds.length === 0 ? [] : await sources.ledger.readStock(itemIds);
    const standings = await sources.ledgerView?.readAll(sales);
    return sales.map((sale) => ({ sale, stock, ledger: standings?.get(sale.id) ?? null }));
  } catch (error) {
    sources.log.warn({ error }, "stock could not be read for metrics");
    return null;
  }
}
