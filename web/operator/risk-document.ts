/**
 * What the operator API says about risk, and the sums over all processes that the console shows.
 */

export type Band = "pass" | "challenge" | "slow_down" | "refuse";

export interface Suspect {
  readonly buyerId: string;
  readonly device: string;
  readonly network: string;
  readonly score: number;
  readonly band: Band;
  readonly causes: readonly string[];
  readonly at: number;
}

interface Report {
  readonly bands: Readonly<Record<Band, number>>;
  readonly causes: Readonly<Record<string, number>>;
  readonly suspects: readonly Suspect[];
}

export interface RiskDocument {
  readonly causes: Readonly<Record<string, { readonly text: string }>>;
  readonly processes: readonly { readonly runId: string; readonly at: number; readonly report: Report }[];
}

export interface RiskSum {
  readonly bands: Readonly<Record<Band, number>>;
  /** Those that counted at all, the most frequent first. */
  readonly causes: readonly { readonly cause: string; readonly count: number; readonly text: string }[];
  /** Each buyer once, as he was seen last; newest first. */
  readonly suspects: readonly Suspect[];
}

const SUSPECTS_SHOWN_MAX = 100;
/** Causes known when a session begins are one figure in its token. */
const SESSION_TEXT =
  "Known when the session began: automation, tools, signals that are missing or contradict themselves.";

export function sumRisk({ causes, processes }: RiskDocument): RiskSum {
  const bands = { pass: 0, challenge: 0, slow_down: 0, refuse: 0 };
  const counts = new Map<string, number>();
  const suspects = new Map<string, Suspect>();
  for (const { report } of processes) {
    for (const band of Object.keys(bands) as Band[]) bands[band] += report.bands[band];
    for (const [cause, count] of Object.entries(report.causes)) counts.set(cause, (counts.get(cause) ?? 0) + count);
    for (const suspect of report.suspects) {
      if ((suspects.get(suspect.buyerId)?.at ?? 0) < suspect.at) suspects.set(suspect.buyerId, suspect);
    }
  }
  return {
    bands,
    causes: [...counts]
      .filter(([, count]) => count > 0)
      .sort(([, one], [, other]) => other - one)
      .map(([cause, count]) => ({ cause, count, text: causes[cause]?.text ?? SESSION_TEXT })),
    suspects: [...suspects.values()].sort((one, other) => other.at - one.at).slice(0, SUSPECTS_SHOWN_MAX),
  };
}
