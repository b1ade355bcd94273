/**
 * Port: what all nodes of a deployment counted, added up and kept across restarts.
 *
 * Each run of a process publishes its own cumulative figures under its own id; publishing is therefore idempotent, and
 * a publication that may or may not have arrived is simply sent again. Reading sums over all runs that ever were.
 *
 * Does not promise to be current to the last decision (runs publish once a second; a killed process loses at most its
 * last second of statistics) and carries no truth about stock: that is the ledger's alone.
 */
import type { FunnelCounts } from "./funnel-counts.ts";

/** Decisions per second over the last few seconds. */
export interface DecisionRates {
  readonly acceptedPerS: number;
  readonly refusedPerS: number;
}

/** What one run has counted since it started. */
export interface RunReport {
  readonly runId: string;
  /** Attempts that wait for the ledger in this process now. */
  readonly backlog: number;
  readonly sales: readonly (FunnelCounts & { readonly rates: DecisionRates })[];
}

/** The sum over all runs for one sale; `saleId` null asks for attempts on no known sale. */
export interface SaleTotals extends FunnelCounts {
  readonly rates: DecisionRates;
  /** Runs that published within the last few seconds, and what waits in them. */
  readonly runsAlive: number;
  readonly backlog: number;
}

export interface StatsStore {
  publish(report: RunReport): Promise<void>;
  read(saleId: string | null): Promise<SaleTotals>;
}
