/**
 * Interface: how suspicious an attempt is, as a number that an operator can have explained.
 *
 * A score never refuses anybody by itself; the challenge gate turns it into a harder or an easier challenge. Nothing is
 * scored yet: every attempt has the same, lowest score.
 */
import type { Session } from "../3-identity/session-token.ts";
import type { HotRequest } from "../request.ts";

/** 0 = nothing speaks against it, 1 = certainly a machine. `causes` are words for the operator. */
export interface RiskScore {
  readonly score: number;
  readonly causes: readonly string[];
}

export interface RiskAssessor {
  /** Must not wait. */
  assess(attempt: { session: Session; request: HotRequest }): RiskScore;
}

const UNSUSPECTED: RiskScore = Object.freeze({ score: 0, causes: Object.freeze([]) });

/** Finds nobody suspicious. */
export const trustingAssessor: RiskAssessor = { assess: () => UNSUSPECTED };
