/**
 * Finds the knee: the highest rate at which a deployment still does what was asked of it, by trying one rate after the other.
 *
 * Pure: which rate to try next follows from what was tried so far, and nothing else. The rate doubles until it fails, then the
 * gap between what was kept and what was missed is halved (geometrically) until it is small enough. A machine has bad moments, so
 * a rate that was only just missed is tried once more; one that was far off is not. What is answered was kept in a trial, always.
 */

/** How a trial went: kept, missed by a little, or so far off that trying again is a waste. */
export type Verdict = "kept" | "missed" | "far off";

export interface Trial {
  readonly ratePerS: number;
  readonly verdict: Verdict;
}

export interface Search {
  readonly startPerS: number;
  /** Nothing above it is tried. */
  readonly maxPerS: number;
  /** The search ends when the lowest missed rate is at most this many times the highest kept one. */
  readonly precision: number;
}

/** What a search came to. */
export interface Knee {
  /** The highest rate that was kept below every missed one; null when none was. */
  readonly keptPerS: number | null;
  /** The lowest rate that counts as missed; null when none does. */
  readonly missedPerS: number | null;
}

/** What stood in the way of more. */
export interface Miss {
  readonly ratePerS: number;
  /** False when the rate was missed once, by a little, and never tried again. */
  readonly isCertain: boolean;
}

const GROWTH = 2;
/** A rate that is missed from the start on is halved down to this many requests a second. */
const RATE_PER_S_MIN = 10;
/** A missed rate counts when it was missed so often, or was far off once. */
const MISSES_THAT_COUNT = 2;

/** The knee as far as the trials show it. */
export function kneeOf(trials: readonly Trial[]): Knee {
  const missedPerS = lowestOf(trials.filter((one) => isGivenUp(trials, one.ratePerS)));
  const kept = trials.filter(
    ({ ratePerS, verdict }) => verdict === "kept" && (missedPerS === null || ratePerS < missedPerS),
  );
  return { keptPerS: kept.length === 0 ? null : Math.max(...kept.map(({ ratePerS }) => ratePerS)), missedPerS };
}

/** The lowest rate above the kept one, be it missed but once; null when none was tried. What was kept up there has a miss below. */
export function lowestMissOf(trials: readonly Trial[]): Miss | null {
  const keptPerS = kneeOf(trials).keptPerS ?? 0;
  const ratePerS = lowestOf(trials.filter((one) => one.ratePerS > keptPerS));
  return ratePerS === null ? null : { ratePerS, isCertain: isGivenUp(trials, ratePerS) };
}

/** The rate to try next; null when the search is over. */
export function nextRate(trials: readonly Trial[], search: Search): number | null {
  const last = trials.at(-1);
  if (last === undefined) return Math.min(search.startPerS, search.maxPerS);
  if (last.verdict === "missed" && !isGivenUp(trials, last.ratePerS)) return last.ratePerS;
  const { keptPerS, missedPerS } = kneeOf(trials);
  if (missedPerS === null) {
    const next = Math.min((keptPerS ?? search.startPerS) * GROWTH, search.maxPerS);
    return next > (keptPerS ?? 0) ? next : null;
  }
  if (keptPerS === null) {
    return missedPerS > RATE_PER_S_MIN ? Math.max(RATE_PER_S_MIN, Math.floor(missedPerS / GROWTH)) : null;
  }
  if (missedPerS <= keptPerS * search.precision) return null;
  const middle = Math.round(Math.sqrt(keptPerS * missedPerS));
  return middle > keptPerS && middle < missedPerS ? middle : null;
}

/** True when a rate counts as missed: far off, or missed twice and kept never. */
function isGivenUp(trials: readonly Trial[], ratePerS: number): boolean {
  const own = trials.filter((one) => one.ratePerS === ratePerS);
  if (own.some(({ verdict }) => verdict === "kept")) return false;
  const misses = own.filter(({ verdict }) => verdict === "missed").length;
  return own.some(({ verdict }) => verdict === "far off") || misses >= MISSES_THAT_COUNT;
}

function lowestOf(trials: readonly Trial[]): number | null {
  return trials.length === 0 ? null : Math.min(...trials.map(({ ratePerS }) => ratePerS));
}
