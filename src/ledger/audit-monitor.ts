/**
 * Audits sales without being asked: each running sale every few minutes, each finished one until it has settled.
 *
 * A violation is logged as an error each time it is found and stays visible in the metrics. The pace follows the cost:
 * after an audit that took long the next one waits longer, so that proving the books never competes with selling. One
 * audit runs at a time. Repairs nothing.
 */
import type { SaleId } from "../domain/ids.ts";
import { type Sale, saleStateAt } from "../domain/sale.ts";
import type { Clock } from "../ports/clock.ts";
import type { SaleStore } from "../ports/sale-store.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Auditor, AuditReport } from "./auditor.ts";

const INTERVAL_MS = 300_000;
/** An audit may take this share of the time. */
const COST_FACTOR = 200;
/** Sales looked at in one round: the newest. */
const SALES_MAX = 50;
/** A finished sale is looked at until its last holds and refunds are through. */
const SETTLED_AFTER_MS = 86_400_000;

export interface AuditMonitor {
  start(): void;
  /** Ends after the audit that is running. */
  stop(): Promise<void>;
  /** One round over all sales that matter. */
  runOnce(): Promise<void>;
  /** The last audit of each sale, newest sales only. */
  lastReports(): readonly AuditReport[];
}

export function createAuditMonitor(options: {
  auditor: Auditor;
  saleStore: Pick<SaleStore, "listSales">;
  clock: Clock;
  log: Log;
}): AuditMonitor {
  const { auditor, saleStore, clock, log } = options;
  const reports = new Map<SaleId, AuditReport>();
  let cancelTimer: (() => void) | null = null;
  let running: Promise<void> | null = null;
  let isStarted = false;
  let isStopping = false;

  async function auditOne(sale: Sale): Promise<void> {
    const report = await auditor.audit(sale.id);
    if (report === null) return;
    reports.set(sale.id, report);
    if (!report.balanced) {
      log.error({ saleId: sale.id, violations: report.violations }, "the books of a sale do not balance");
    }
  }

  async function round(): Promise<void> {
    try {
      const sales = await saleStore.listSales({ rowsMax: SALES_MAX });
      const nowMs = clock.nowMs();
      const due = sales.filter((sale) => needsAudit(sale, nowMs, reports.get(sale.id)));
      for (const id of reports.keys()) {
        if (!sales.some((sale) => sale.id === id)) reports.delete(id);
      }
      for (const sale of due) {
        if (isStopping) return;
        await auditOne(sale);
      }
    } catch (error) {
      log.warn({ error }, "sales could not be audited; the next round tries again");
    }
  }

  function runOnce(): Promise<void> {
    running ??= round().finally(() => {
      running = null;
    });
    return running;
  }

  function schedule(delayMs: number): void {
    cancelTimer = clock.setTimer(delayMs, () => {
      const startedMs = clock.monotonicMs();
      void runOnce().then(() => {
        const tookMs = clock.monotonicMs() - startedMs;
        if (!isStopping) schedule(Math.max(INTERVAL_MS, tookMs * COST_FACTOR));
      });
    });
  }

  return {
    start() {
      if (isStarted) return;
      isStarted = true;
      schedule(INTERVAL_MS);
    },
    async stop() {
      isStopping = true;
      cancelTimer?.();
      await running;
    },
    runOnce,
    lastReports: () => [...reports.values()],
  };
}

/** Sales that have opened, and those that ended until one audit after they settled. */
function needsAudit(sale: Sale, nowMs: number, last: AuditReport | undefined): boolean {
  const state = saleStateAt(sale, nowMs);
  if (state === "scheduled") return false;
  if (state !== "closed") return true;
  const settledAt = (sale.closedAt ?? sale.closesAt) + SETTLED_AFTER_MS;
  return last === undefined || last.takenAt < settledAt;
}
