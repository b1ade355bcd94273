/**
 * A latency histogram of fixed memory: logarithmic stretches of equal steps (as HdrHistogram has them), at most 0.8 % off.
 *
 * Keeping every latency of a million requests would cost more memory than the crowd itself; averaging percentiles of
 * several processes would be wrong. Counts per step can be added. Values are milliseconds with fraction, kept as whole
 * microseconds: below 256 µs the error is half a microsecond, above it 1/128 of the value. Finding the step takes a count
 * of leading zeros and a shift, no logarithm, because a load generator does it for every answer.
 */

/** 2^7 steps for each doubling. */
const STEP_BITS = 7;
const STEPS_PER_DOUBLING = 1 << STEP_BITS;
const LATENCY_US_MAX = 2 ** 32 - 1;
const WORD_BITS = 32;
const STEP_COUNT = (WORD_BITS - STEP_BITS + 1) * STEPS_PER_DOUBLING;
const US_PER_MS = 1_000;

/** How far a percentile above a quarter of a millisecond may be from the exact one, as a share of it. */
export const HISTOGRAM_ERROR_SHARE_MAX = 1 / STEPS_PER_DOUBLING;

/** Counts per bucket, sparse, as it travels between processes. */
export interface HistogramSnapshot {
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly latencyMsMax: number;
}

/** Counts latencies and answers percentiles. */
export class Histogram {
  private readonly counts = new Float64Array(STEP_COUNT);
  private total = 0;
  private latencyMsMax = 0;

  record(latencyMs: number): void {
    const bucket = bucketOf(latencyMs);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.total += 1;
    if (latencyMs > this.latencyMsMax) this.latencyMsMax = latencyMs;
  }

  merge(snapshot: HistogramSnapshot): void {
    for (const [bucket, count] of snapshot.buckets) {
      if (bucket < 0 || bucket >= STEP_COUNT) continue;
      this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
      this.total += count;
    }
    this.latencyMsMax = Math.max(this.latencyMsMax, snapshot.latencyMsMax);
  }

  snapshot(): HistogramSnapshot {
    const buckets: [number, number][] = [];
    this.counts.forEach((count, bucket) => {
      if (count > 0) buckets.push([bucket, count]);
    });
    return { buckets, latencyMsMax: this.latencyMsMax };
  }

  get count(): number {
    return this.total;
  }

  get maxMs(): number {
    return this.latencyMsMax;
  }

  /** The smallest latency that at least this share of the recorded ones does not exceed, in ms; 0 when empty. */
  percentileMs(share: number): number {
    if (this.total === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.total));
    let seen = 0;
    for (let bucket = 0; bucket < STEP_COUNT; bucket++) {
      seen += this.counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(upperEdgeMs(bucket), this.latencyMsMax);
    }
    return this.latencyMsMax;
  }
}

function bucketOf(latencyMs: number): number {
  const latencyUs = Math.round(latencyMs * US_PER_MS);
  if (!(latencyUs > 0)) return 0;
  const bounded = Math.min(latencyUs, LATENCY_US_MAX) >>> 0;
  // Values below 2^(STEP_BITS + 1) are their own bucket; each doubling above has half as many steps as it is long.
  const shift = Math.max(0, WORD_BITS - 1 - Math.clz32(bounded) - STEP_BITS);
  return shift * STEPS_PER_DOUBLING + (bounded >>> shift);
}

function upperEdgeMs(bucket: number): number {
  const shift = Math.max(0, (bucket >>> STEP_BITS) - 1);
  const step = bucket - shift * STEPS_PER_DOUBLING;
  return ((step + 1) * 2 ** shift - 1) / US_PER_MS;
}
