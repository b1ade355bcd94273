/**
 * What this process found suspicious lately, for the operator: how often each cause and band was seen, and the last subjects.
 *
 * A subject is in the list once, with his newest score; the list is short and forgets the oldest. Networks are named by a
 * keyed hash, as everywhere outside the request itself. Noting costs a few additions; the list is read seldom.
 */
import type { Session } from "../../3-identity/session-token.ts";
import { RISK_BANDS, type RiskBand, type RiskScore } from "./risk.ts";
import { RISK_CAUSE_NAMES } from "./risk-model.ts";

/** Somebody whose attempt was not in the band "pass". */
export interface Suspect {
  readonly buyerId: string;
  /** "" where the page told nothing. */
  readonly device: string;
  /** The keyed hash of his network. */
  readonly network: string;
  readonly score: number;
  readonly band: RiskBand;
  readonly causes: readonly string[];
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface RiskReport {
  /** Attempts assessed since the process began, by band. */
  readonly bands: Readonly<Record<RiskBand, number>>;
  /** In how many of them each cause counted. */
  readonly causes: Readonly<Record<string, number>>;
  /** Newest first. */
  readonly suspects: readonly Suspect[];
}

const SUSPECTS_MAX = 100;

export class RiskJournal {
  readonly #bands = new Map<RiskBand, number>(RISK_BANDS.map((band) => [band, 0]));
  readonly #causes = new Map<string, number>(RISK_CAUSE_NAMES.map((cause) => [cause, 0]));
  readonly #suspects = new Map<string, Suspect>();

  note(score: RiskScore, attempt: { session: Session; nowMs: number; networkName: () => string }): void {
    this.#bands.set(score.band, (this.#bands.get(score.band) ?? 0) + 1);
    for (const cause of score.causes) this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1);
    if (score.band === "pass") return;
    const { buyerId, device } = attempt.session;
    // The same score of the same buyer again is no news worth a hash.
    if (this.#suspects.get(buyerId)?.score === score.score) return;
    this.#suspects.delete(buyerId);
    this.#suspects.set(buyerId, { buyerId, device, network: attempt.networkName(), ...score, at: attempt.nowMs });
    if (this.#suspects.size <= SUSPECTS_MAX) return;
    for (const oldest of this.#suspects.keys()) {
      this.#suspects.delete(oldest);
      return;
    }
  }

  report(): RiskReport {
    return {
      bands: Object.fromEntries(this.#bands) as Record<RiskBand, number>,
      causes: Object.fromEntries(this.#causes),
      suspects: [...this.#suspects.values()].reverse(),
    };
  }
}
