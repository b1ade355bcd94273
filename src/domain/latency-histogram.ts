/**
 * Logarithmic latency buckets: where a duration is counted, and which duration a bucket stands for.
 *
 * Eight buckets an octave of microseconds, so a quantile is never more than an eighth too high and never too low. The
 * index is a handful of integer operations, because it is computed for every decision of the hot path. Stored counts
 * are keyed by the bucket's upper bound, so a later change of the scheme cannot misread older rows.
 */

const EXACT_COUNT = 16;
const SUB_BITS = 3;
const SUB_COUNT = 1 << SUB_BITS;
const FIRST_OCTAVE = 4;
const OCTAVE_END = 26;
/** Durations from here on share the last bucket: 67 seconds, longer than any deadline we have. */
const DURATION_US_MAX = 2 ** OCTAVE_END - 1;

/** How many buckets there are. */
export const LATENCY_BUCKET_COUNT = EXACT_COUNT + (OCTAVE_END - FIRST_OCTAVE) * SUB_COUNT;

/** The bucket of a duration. Negative and not-a-number count as zero: a clock that steps back must not crash us. */
export function latencyBucketOf(durationMs: number): number {
  const durationUs = durationMs > 0 ? Math.min(durationMs * 1_000, DURATION_US_MAX) | 0 : 0;
  if (durationUs < EXACT_COUNT) return durationUs;
  const octave = 31 - Math.clz32(durationUs);
  const sub = (durationUs >> (octave - SUB_BITS)) & (SUB_COUNT - 1);
  return EXACT_COUNT + (octave - FIRST_OCTAVE) * SUB_COUNT + sub;
}

/** The exclusive upper bound of a bucket in microseconds. */
export function latencyBucketEndUs(bucket: number): number {
  if (bucket < EXACT_COUNT) return bucket + 1;
  const octave = FIRST_OCTAVE + Math.floor((bucket - EXACT_COUNT) / SUB_COUNT);
  const sub = (bucket - EXACT_COUNT) % SUB_COUNT;
  return (SUB_COUNT + sub + 1) * 2 ** (octave - SUB_BITS);
}

/** Counts by the exclusive upper bound of their bucket in microseconds; only buckets that were hit. */
export type LatencyCounts = ReadonlyMap<number, number>;

export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Quantiles as upper bounds of their buckets, in milliseconds; all zero when nothing was counted. */
export function summarizeLatency(counts: LatencyCounts): LatencySummary {
  const ends = [...counts.entries()].filter(([, count]) => count > 0).sort(([left], [right]) => left - right);
  const count = ends.reduce((sum, [, hits]) => sum + hits, 0);
  const quantileMs = (fraction: number): number => {
    const rank = Math.ceil(count * fraction);
    let seen = 0;
    for (const [endUs, hits] of ends) {
      seen += hits;
      if (seen >= rank) return endUs / 1_000;
    }
    return 0;
  };
  return {
    count,
    p50Ms: quantileMs(0.5),
    p90Ms: quantileMs(0.9),
    p99Ms: quantileMs(0.99),
    p999Ms: quantileMs(0.999),
    maxMs: quantileMs(1),
  };
}
