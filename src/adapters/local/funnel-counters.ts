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
const ROWS_AT_FIRST = 4;

const INDEX_OF_DECISION = Object.freeze(
  Object.assign(Object.create(null), Object.fromEntries(DECISIONS.map((decision, index) => [decision, index]))),
) as Readonly<Record<Decision, number>>;
const FIRST_ACCEPTANCE = DECISIONS.findIndex(isAcceptance);

/** A row: sums in milliseconds (accepted, refused), decisions, latencies of refusals, latencies of acceptances. */
const DECISIONS_AT = 2;
const REFUSED_AT = DECISIONS_AT + DECISIONS.length;
const ACCEPTED_AT = REFUSED_AT + LATENCY_BUCKET_COUNT;
const ROW_LENGTH = ACCEPTED_AT + LATENCY_BUCKET_COUNT;

/** Counters that start at zero. */
export function createFunnelCounters(): FunnelTelemetry & FunnelCountsReader {
  return new FunnelCounters();
}

/** All rows in one array: with hundreds of sales each object on the way is memory that others have used since. */
class FunnelCounters implements FunnelTelemetry, FunnelCountsReader {
  /** Where the row of a sale starts. Row 0 is of attempts without one. */
  readonly #starts = new Map<SaleId, number>();
  #cells = new Float64Array(ROWS_AT_FIRST * ROW_LENGTH);

  decided(saleId: SaleId | null, decision: Decision, durationMs: number): void {
    const start = saleId === null ? 0 : (this.#starts.get(saleId) ?? this.#open(saleId));
    const cells = this.#cells;
    const index = INDEX_OF_DECISION[decision];
    const isAccepted = index >= FIRST_ACCEPTANCE;
    const sum = isAccepted ? start : start + 1;
    if (durationMs > 0) cells[sum] = (cells[sum] ?? 0) + durationMs;
    const count = start + DECISIONS_AT + index;
    cells[count] = (cells[count] ?? 0) + 1;
    const bucket = start + (isAccepted ? ACCEPTED_AT : REFUSED_AT) + latencyBucketOf(durationMs);
    cells[bucket] = (cells[bucket] ?? 0) + 1;
  }

  readTotal(): number {
    let total = 0;
    for (const [, start] of this.#rows()) {
      for (let at = start + DECISIONS_AT; at < start + REFUSED_AT; at += 1) total += this.#cells[at] ?? 0;
    }
    return total;
  }

  readCounts(): FunnelCounts[] {
    return this.#rows()
      .map(([saleId, start]) => readRow(saleId, this.#cells.subarray(start, start + ROW_LENGTH)))
      .filter(hasAny);
  }

  #rows(): (readonly [SaleId | null, number])[] {
    return [[null, 0], ...this.#starts];
  }

  #open(saleId: SaleId): number {
    if (this.#starts.size >= SALES_MAX) return 0;
    const start = (this.#starts.size + 1) * ROW_LENGTH;
    this.#starts.set(saleId, start);
    if (start === this.#cells.length) {
      const before = this.#cells;
      this.#cells = new Float64Array(before.length * 2);
      this.#cells.set(before);
    }
    return start;
  }
}

function readRow(saleId: SaleId | null, row: Float64Array): FunnelCounts {
  const decisions: Partial<Record<Decision, number>> = {};
  for (const [index, decision] of DECISIONS.entries()) {
    const count = row[DECISIONS_AT + index] ?? 0;
    if (count > 0) decisions[decision] = count;
  }
  return {
    saleId,
    decisions,
    accepted: readLatencies(row.subarray(ACCEPTED_AT), row[0] ?? 0),
    refused: readLatencies(row.subarray(REFUSED_AT, ACCEPTED_AT), row[1] ?? 0),
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
