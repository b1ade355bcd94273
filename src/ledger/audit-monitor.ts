/**
 * Audits sales without being asked: where the units of each running sale are, every second; everything, every few minutes
 * and of each finished sale until it has settled.
 *
 * A violation is logged as an error each time it is found and stays visible in the metrics. The pace follows the cost:
 * after an audit that took long the next one waits longer, so that proving the books never competes with selling. One
 * audit of each kind runs at a time. Repairs nothing.
 */
import type { SaleId } from "../domain/ids.ts";
import { firstOpensAt, type Sale, saleStateAt } from "../domain/sale.ts";
import { forEachBounded } from "../orders/bounded.ts";
import type { Clock } from "../ports/clock.ts";
import type { SaleStore } from "../ports/sale-store.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Auditor, AuditReport, PlacesAudit } from "./auditor.ts";

const INTERVAL_MS = 300_000;
/** An audit may take this share of the time. */
const COST_FACTOR = 200;
const PLACES_INTERVAL_MS = 1_000;
/** The quick look may take this share: it must keep up with a sale that is over in seconds. */
const PLACES_COST_FACTOR = 20;
/** A look that fails is said only so often. */
const COMPLAINT_INTERVAL_MS = 60_000;
/** Sales looked at in one round: the newest. */
const SALES_MAX = 50;
/** Sales that the quick look looks at together: their questions travel in one statement and one script. */
const LOOKS_AT_ONCE_MAX = 32;
/** A finished sale is looked at until its last holds and refunds are through. */
const SETTLED_AFTER_MS = 86_400_000;

export interface AuditMonitor {
  start(): void;
  /** Ends after the audits that are running. */
  stop(): Promise<void>;
  /** One round over all sales that matter. */
  runOnce(): Promise<void>;
  /** One quick look at each running sale. */
  lookOnce(): Promise<void>;
  /** The last audit of each sale, newest sales only. */
  lastReports(): readonly AuditReport[];
  /** The last quick look at each running sale. */
  lastPlaces(): readonly PlacesAudit[];
}

interface MonitorParts {
  readonly auditor: Auditor;
  readonly saleStore: Pick<SaleStore, "listSales">;
  readonly clock: Clock;
  readonly log: Log;
}

export function createAuditMonitor(parts: MonitorParts): AuditMonitor {
  const reports = new Map<SaleId, AuditReport>();
  const places = new Map<SaleId, PlacesAudit>();
  const full = new Rounds({
    clock: parts.clock,
    intervalMs: INTERVAL_MS,
    costFactor: COST_FACTOR,
    round: (isStopping) => auditAll(parts, reports, isStopping),
  });
  let complainedAtMs = Number.NEGATIVE_INFINITY;
  const quick = new Rounds({
    clock: parts.clock,
    intervalMs: PLACES_INTERVAL_MS,
    costFactor: PLACES_COST_FACTOR,
    round: async (isStopping) => {
      const failure = await lookAtAll(parts, places, isStopping);
      if (failure === null || parts.clock.monotonicMs() - complainedAtMs < COMPLAINT_INTERVAL_MS) return;
      complainedAtMs = parts.clock.monotonicMs();
      parts.log.warn(
        { error: failure },
        "where the units of a sale are could not be looked at; it is tried each second",
      );
    },
  });
  return {
    start() {
      full.start();
      quick.start();
    },
    async stop() {
      await Promise.all([full.stop(), quick.stop()]);
    },
    runOnce: () => full.runOnce(),
    lookOnce: () => quick.runOnce(),
    lastReports: () => [...reports.values()],
    lastPlaces: () => [...places.values()],
  };
}

async function auditAll(
  { auditor, saleStore, clock, log }: MonitorParts,
  reports: Map<SaleId, AuditReport>,
  isStopping: () => boolean,
): Promise<void> {
  try {
    const sales = await saleStore.listSales({ rowsMax: SALES_MAX });
    const nowMs = clock.nowMs();
    const due = sales.filter((sale) => needsAudit(sale, nowMs, reports.get(sale.id)));
    forgetOthers(reports, sales);
    for (const sale of due) {
      if (isStopping()) return;
      const report = await auditor.audit(sale.id);
      if (report === null) continue;
      reports.set(sale.id, report);
      if (report.balanced) continue;
      log.error({ saleId: sale.id, violations: report.violations }, "the books of a sale do not balance");
    }
  } catch (error) {
    log.warn({ error }, "sales could not be audited; the next round tries again");
  }
}

/** Answers what went wrong, if anything; the other sales are looked at all the same. */
async function lookAtAll(
  { auditor, saleStore, clock, log }: MonitorParts,
  places: Map<SaleId, PlacesAudit>,
  isStopping: () => boolean,
): Promise<unknown> {
  let failure: unknown = null;
  try {
    const sales = await saleStore.listSales({ rowsMax: SALES_MAX });
    const running = sales.filter((sale) => isRunning(sale, clock.nowMs()));
    forgetOthers(places, running);
    await forEachBounded(running, LOOKS_AT_ONCE_MAX, async (sale) => {
      if (isStopping()) return;
      try {
        const look = await auditor.auditPlaces(sale.id);
        if (look === null) return;
        places.set(sale.id, look);
        if (look.balanced) return;
        log.error({ saleId: sale.id, violations: look.violations }, "units of a sale are not where they should be");
      } catch (error) {
        places.delete(sale.id);
        failure = error;
      }
    });
  } catch (error) {
    failure = error;
  }
  return failure;
}

/** A round that never overlaps with itself and takes at most its share of the time. */
class Rounds {
  readonly #options: {
    readonly clock: Clock;
    readonly intervalMs: number;
    readonly costFactor: number;
    /** Never rejects. */
    readonly round: (isStopping: () => boolean) => Promise<void>;
  };
  #cancelTimer: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #isStarted = false;
  #isStopping = false;

  constructor(options: {
    clock: Clock;
    intervalMs: number;
    costFactor: number;
    round: (isStopping: () => boolean) => Promise<void>;
  }) {
    this.#options = options;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#schedule(this.#options.intervalMs);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelTimer?.();
    await this.#running;
  }

  runOnce(): Promise<void> {
    this.#running ??= this.#options
      .round(() => this.#isStopping)
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  #schedule(delayMs: number): void {
    const { clock, intervalMs, costFactor } = this.#options;
    this.#cancelTimer = clock.setTimer(delayMs, () => {
      const startedMs = clock.monotonicMs();
      void this.runOnce().then(() => {
        const tookMs = clock.monotonicMs() - startedMs;
        if (!this.#isStopping) this.#schedule(Math.max(intervalMs, tookMs * costFactor));
      });
    });
  }
}

function forgetOthers(kept: Map<SaleId, unknown>, sales: readonly Sale[]): void {
  for (const id of kept.keys()) if (!sales.some((sale) => sale.id === id)) kept.delete(id);
}

/** Buyers may be buying, or could until a moment ago. */
function isRunning(sale: Sale, nowMs: number): boolean {
  const state = saleStateAt(sale, nowMs, firstOpensAt(sale));
  return state === "open" || state === "paused" || sale.mode === "redis" || sale.mode === "draining";
}

/** Sales that have opened, and those that ended until one audit after they settled. */
function needsAudit(sale: Sale, nowMs: number, last: AuditReport | undefined): boolean {
  const state = saleStateAt(sale, nowMs, firstOpensAt(sale));
  if (state === "scheduled") return false;
  if (state !== "closed") return true;
  const settledAt = (sale.closedAt ?? sale.closesAt) + SETTLED_AFTER_MS;
  return last === undefined || last.takenAt < settledAt;
}
