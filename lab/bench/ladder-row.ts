/**
 * A rung of the ladder: what something does and costs, beside its own limit measured around it in the same run.
 *
 * A ratio is always a share of the limit, so more is better and 1 is the limit itself: throughput over the limit's, the
 * limit's processor time over ours, the limit's script time over ours. Ratios are what is compared between machines and
 * days; times are this machine's.
 */

/** Parts of the ladder that can be measured alone, in the order in which they run. */
export const GROUPS = ["http", "accepted", "scripts", "commit", "proxy", "generator"] as const;
export type Group = (typeof GROUPS)[number];

export interface Figures {
  readonly perS: number;
  /** Processor microseconds per decision (per unit, per order), summed over all server processes. */
  readonly cpuUs: number;
  /** The same by part: nodes, workers, redis, postgres, nginx. */
  readonly cpuUsByPart: Readonly<Record<string, number>>;
  readonly latencyMsP50: number | null;
  readonly latencyMsP99: number | null;
  /** What Redis itself counts as spent in the script, per accepted unit. */
  readonly scriptUs?: number;
}

export interface LadderRow {
  /** Never changes: the gate's bounds name it. Its first word is a runtime or the server that is measured. */
  readonly id: string;
  readonly group: Group;
  readonly name: string;
  readonly figures: Figures;
  /** Null for a row that is a limit itself, or has none. */
  readonly limit: { readonly name: string; readonly figures: Figures } | null;
  /** What was wrong with the answers; null = as expected. */
  readonly problem: string | null;
}

export const MEASURES = ["throughput", "processor", "script"] as const;
export type Measure = (typeof MEASURES)[number];

/** The share of its limit that a row reaches, by what is measured; NaN where it cannot be said. */
export function ratioOf({ figures, limit }: LadderRow, measure: Measure): number {
  if (limit === null) return Number.NaN;
  const share = {
    throughput: () => figures.perS / limit.figures.perS,
    processor: () => limit.figures.cpuUs / figures.cpuUs,
    script: () => (limit.figures.scriptUs ?? Number.NaN) / (figures.scriptUs ?? Number.NaN),
  }[measure]();
  return Number.isFinite(share) ? share : Number.NaN;
}

/** How near two measurements of the same thing are, whichever is the larger: 1 = equal. */
export function agreementOf(one: number, other: number): number {
  return Math.min(one, other) / Math.max(one, other);
}

/** The mean of measurements of the same thing, taken before and after something else. */
export function meanFigures(all: readonly Figures[]): Figures {
  const mean = (read: (figures: Figures) => number | null | undefined): number | null => {
    const values = all.map(read).filter((value) => value !== null && value !== undefined);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const parts = [...new Set(all.flatMap(({ cpuUsByPart }) => Object.keys(cpuUsByPart)))];
  const scriptUs = mean((figures) => figures.scriptUs);
  return {
    perS: mean(({ perS }) => perS) ?? 0,
    cpuUs: mean(({ cpuUs }) => cpuUs) ?? 0,
    cpuUsByPart: Object.fromEntries(
      parts.map((part) => [part, mean((figures) => figures.cpuUsByPart[part] ?? 0) ?? 0]),
    ),
    latencyMsP50: mean(({ latencyMsP50 }) => latencyMsP50),
    latencyMsP99: mean(({ latencyMsP99 }) => latencyMsP99),
    ...(scriptUs === null ? {} : { scriptUs }),
  };
}
