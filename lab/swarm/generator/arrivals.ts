/**
 * When arrivals come: a curve is the share of them that has come by an instant, and its inverse places each one.
 *
 * All curves but the even one draw a Poisson process of a given total: sorted uniform numbers, put through the inverse of
 * the curve. Sorted they are drawn from the start (sums of exponential gaps, divided by the last sum), so a million of them
 * need no sorting, and every process of a swarm can draw the whole and keep its part. The same seed gives the same instants.
 */
import { createSeededRandom, type SeededRandom } from "../seeded-random.ts";
import type { Arrivals } from "./scenario.ts";

/** Arrivals of a recorded curve from `fromMs` until the next point, evenly. */
export interface RecordedStretch {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly count: number;
}

/** Milliseconds after the curve's start by which this share (0 to 1) of its arrivals has come. */
export type InverseCurve = (share: number) => number;

const ARRIVALS_STREAM = 7_000_000;

/** The inverse of a curve. `recorded` is what a replayed curve's file says. */
export function inverseOf(arrivals: Arrivals, recorded: readonly RecordedStretch[] = []): InverseCurve {
  switch (arrivals.curve) {
    case "spike":
      return inverseSpike(arrivals);
    case "poisson":
    case "steady":
      return (share) => share * arrivals.durationMs;
    case "ramp":
      return inverseRamp(arrivals);
    case "replay":
      return inverseRecorded(recorded, arrivals.durationMs ?? null);
  }
}

/** How long a curve lasts. */
export function durationOf(arrivals: Arrivals, recorded: readonly RecordedStretch[] = []): number {
  if (arrivals.durationMs !== undefined) return arrivals.durationMs;
  const [first, last] = [recorded[0], recorded.at(-1)];
  return first === undefined || last === undefined ? 0 : last.untilMs - first.fromMs;
}

/** The rate rises evenly to its peak, then halves every `halfLifeMs`. */
function inverseSpike(spike: { durationMs: number; halfLifeMs: number; riseMs: number }): InverseCurve {
  const { durationMs, halfLifeMs, riseMs } = spike;
  const decayed = 1 - 2 ** (-(durationMs - riseMs) / halfLifeMs);
  const risen = riseMs / 2;
  const fallen = (halfLifeMs / Math.LN2) * decayed;
  return (share) => {
    const area = share * (risen + fallen);
    if (area < risen) return Math.sqrt(2 * area * riseMs);
    const left = 1 - ((area - risen) * Math.LN2) / halfLifeMs;
    return Math.min(durationMs, riseMs - halfLifeMs * Math.log2(Math.max(left, Number.MIN_VALUE)));
  };
}

function inverseRamp({ durationMs, from, to }: { durationMs: number; from: number; to: number }): InverseCurve {
  if (from === to) return (share) => share * durationMs;
  return (share) => (durationMs * (Math.sqrt(from * from + share * (to * to - from * from)) - from)) / (to - from);
}

/** Evenly within each stretch; `durationMs` stretches or shortens the whole. */
function inverseRecorded(stretches: readonly RecordedStretch[], durationMs: number | null): InverseCurve {
  const startMs = stretches[0]?.fromMs ?? 0;
  const recordedMs = (stretches.at(-1)?.untilMs ?? 0) - startMs;
  const scale = durationMs === null || recordedMs <= 0 ? 1 : durationMs / recordedMs;
  const sums = new Float64Array(stretches.length);
  let total = 0;
  stretches.forEach(({ count }, index) => {
    total += count;
    sums[index] = total;
  });
  return (share) => {
    const wanted = share * total;
    let [low, high] = [0, stretches.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] ?? 0) >= wanted) high = middle;
      else low = middle + 1;
    }
    const stretch = stretches[low];
    if (stretch === undefined || stretch.count === 0) return 0;
    const before = (sums[low] ?? 0) - stretch.count;
    const inside = Math.min(1, Math.max(0, (wanted - before) / stretch.count));
    return (stretch.fromMs - startMs + inside * (stretch.untilMs - stretch.fromMs)) * scale;
  };
}

export interface Draw {
  readonly count: number;
  readonly seed: number;
  /** Keeps the draws of populations apart. */
  readonly stream: number;
  /** One arrival after the other at equal distances, drawn by nobody. */
  readonly isEven: boolean;
  /** Of so many parts, this one: every `partCount`-th arrival, from the `part`-th on. */
  readonly part: number;
  readonly partCount: number;
}

/** The instants of this part's arrivals, in order, in milliseconds after the curve's start. */
export function drawArrivals(inverse: InverseCurve, draw: Draw): Float64Array {
  const { count, part, partCount } = draw;
  const own = new Float64Array(Math.max(0, Math.ceil((count - part) / partCount)));
  if (draw.isEven) {
    for (let index = 0; index < own.length; index += 1) own[index] = inverse((part + index * partCount + 0.5) / count);
    return own;
  }
  const sum = sumOfGaps(draw);
  const random = openStream(draw);
  let at = 0;
  for (let index = 0, kept = 0; index < count; index += 1) {
    at += gap(random);
    if (index % partCount === part) own[kept++] = inverse(at / sum);
  }
  return own;
}

/** Gaps before each arrival, and one after the last. */
function sumOfGaps(draw: Draw): number {
  const random = openStream(draw);
  let sum = 0;
  for (let index = 0; index <= draw.count; index += 1) sum += gap(random);
  return sum;
}

function openStream(draw: Draw): SeededRandom {
  return createSeededRandom(draw.seed, ARRIVALS_STREAM + draw.stream);
}

function gap(random: SeededRandom): number {
  return -Math.log(1 - random.fraction());
}
