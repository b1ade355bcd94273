/**
 * Port: what this process counted in its funnel, read by metrics and by the statistics of a sale.
 *
 * Promises cumulative figures since the process started, exact up to the moment of the call. Reading allocates and is
 * for once a second or a scrape, not for the hot path; writing is the other half, `FunnelTelemetry`.
 */
import type { LatencyCounts } from "../domain/latency-histogram.ts";
import { REFUSALS, type RefusalReason, type Stage } from "../domain/refusals.ts";
import type { Decision } from "./telemetry.ts";

/** Every decision there is, in the order of the funnel. */
export const DECISIONS: readonly Decision[] = [...(Object.keys(REFUSALS) as RefusalReason[]), "accepted", "replayed"];

/** True for "accepted" and "replayed": the buyer got a reservation. */
export function isAcceptance(decision: Decision): decision is "accepted" | "replayed" {
  return decision === "accepted" || decision === "replayed";
}

/** The stage a decision is counted under: that of its row in the table, or the last stage for acceptances. */
export function stageOfDecision(decision: Decision): Stage | "none" {
  return isAcceptance(decision) ? "reserve" : REFUSALS[decision].stage;
}

/** Decisions that were made at least once, with their number. */
export type DecisionCounts = Readonly<Partial<Record<Decision, number>>>;

/** The latencies of one kind of outcome. */
export interface LatencyRecord {
  readonly counts: LatencyCounts;
  readonly sumMs: number;
}

export interface FunnelCounts {
  /** Null for attempts on no known sale. */
  readonly saleId: string | null;
  readonly decisions: DecisionCounts;
  /** Acceptances wait for the ledger and refusals do not, so one histogram of both would say nothing. */
  readonly accepted: LatencyRecord;
  readonly refused: LatencyRecord;
}

export interface FunnelCountsReader {
  readCounts(): readonly FunnelCounts[];
  /** All decisions together, for whoever only wants to know whether there were any. */
  readTotal(): number;
}
