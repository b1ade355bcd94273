/**
 * Funnel counters of this process: implements FunnelTelemetry and FunnelCountsReader.
 *
 * Counting is adding one to an element of a typed array: no allocation, no string, no lock per decision. The arrays
 * hold doubles because 32-bit integers would wrap within a day of a heavy sale. Sales beyond SALES_MAX share the row of
 * attempts without a sale, so that nobody can grow the memory; adding up processes is the stats store's work.
 */
import type { SaleId } from "../../domain/ids.ts";
import { LATENCY_BUCKET_COUNT, latencyBucketEndUs, latencyBucketOf } from "../../domain/latency-histogram.ts";
import {
  DECISIONS,
  type FunnelCounts,
  type FunnelCountsReader,
  isAcceptance,
  type LatencyRecord,
} from "../../ports/funnel-counts.ts";
import type { Decision, FunnelTelemetry } from "../../ports/telemetry.ts";

/** Sales counted apart; each takes about 3.5 KB. */
export const SALES_MAX = 256;

const INDEX_OF_DECISION = Object.freeze(
  Object.assign(Object.create(null), Object.fromEntries(DECISIONS.map((decision, index) => [decision, index]))),
) as Readonly<Record<Decision, number>>;
const FIRST_ACCEPTANCE = DECISIONS.findIndex(isAcceptance);

interface Row {
  readonly saleId: SaleId | null;
  readonly decisions: Float64Array;
  readonly accepted: Float64Array;
  readonly refused: Float64Array;
  /** Sums in milliseconds: accepted, refused. */
  readonly sums: Float64Array;
}

/** Counters that start at zero. */
export function createFunnelCounters(): FunnelTelemetry & FunnelCountsReader {
  const unknown = createRow(null);
  const rows = new Map<SaleId, Row>();

  function rowOf(saleId: SaleId): Row {
    const known = rows.get(saleId);
    if (known !== undefined) return known;
    if (rows.size >= SALES_MAX) return unknown;
    const row = createRow(saleId);
    rows.set(saleId, row);
    return row;
  }

  return {
    decided(saleId, decision, durationMs) {
      const row = saleId === null ? unknown : rowOf(saleId);
      const index = INDEX_OF_DECISION[decision];
      const isAccepted = index >= FIRST_ACCEPTANCE;
      const latencies = isAccepted ? row.accepted : row.refused;
      const bucket = latencyBucketOf(durationMs);
      row.decisions[index] = (row.decisions[index] ?? 0) + 1;
      latencies[bucket] = (latencies[bucket] ?? 0) + 1;
      const sum = isAccepted ? 0 : 1;
      if (durationMs > 0) row.sums[sum] = (row.sums[sum] ?? 0) + durationMs;
    },
    readTotal() {
      let total = 0;
      for (const { decisions } of [unknown, ...rows.values()]) for (const count of decisions) total += count;
      return total;
    },
    readCounts: () => [unknown, ...rows.values()].map(readRow).filter((counts) => hasAny(counts)),
  };
}

function createRow(saleId: SaleId | null): Row {
  return {
    saleId,
    decisions: new Float64Array(DECISIONS.length),
    accepted: new Float64Array(LATENCY_BUCKET_COUNT),
    refused: new Float64Array(LATENCY_BUCKET_COUNT),
    sums: new Float64Array(2),
  };
}

function readRow(row: Row): FunnelCounts {
  const decisions: Partial<Record<Decision, number>> = {};
  for (const [index, decision] of DECISIONS.entries()) {
    const count = row.decisions[index] ?? 0;
    if (count > 0) decisions[decision] = count;
  }
  return {
    saleId: row.saleId,
    decisions,
    accepted: readLatencies(row.accepted, row.sums[0] ?? 0),
    refused: readLatencies(row.refused, row.sums[1] ?? 0),
  };
}

function readLatencies(buckets: Float64Array, sumMs: number): LatencyRecord {
  const counts = new Map<number, number>();
  for (const [bucket, count] of buckets.entries()) {
    if (count > 0) counts.set(latencyBucketEndUs(bucket), count);
  }
  return { counts, sumMs };
}

function hasAny(counts: FunnelCounts): boolean {
  return Object.keys(counts.decisions).length > 0;
}
