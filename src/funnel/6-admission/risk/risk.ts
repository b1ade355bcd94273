/**
 * Interface: how suspicious an attempt is, as a number that an operator can have explained.
 *
 * A score is a sum of named causes and stands in a band; what a band costs the buyer is decided elsewhere: a challenge by
 * the challenge gate, a wait by slow-lane.ts. It is never the sole judge of entitlement: nobody loses a unit he holds, and
 * nobody is refused for a score alone unless the operator asked for that.
 */
import type { Refusal } from "../../../domain/refusals.ts";
import type { Session } from "../../3-identity/session-token.ts";
import type { HotRequest } from "../../request.ts";

/** From "nothing is held against it" to "as good as certainly a machine". */
export const RISK_BANDS = ["pass", "challenge", "slow_down", "refuse"] as const;
export type RiskBand = (typeof RISK_BANDS)[number];

export const RISK_SCORE_MAX = 100;

/** What is held against an attempt. Frozen and shared: equal causes are one object. */
export interface RiskScore {
  /** 0 to {@link RISK_SCORE_MAX}. */
  readonly score: number;
  readonly band: RiskBand;
  /** Words for the operator, heaviest first. */
  readonly causes: readonly string[];
}

export interface RiskAssessor {
  /** Must not wait. Called once per attempt that reaches stage 6: it also learns from the attempt. */
  assess(attempt: { session: Session; request: HotRequest }): RiskScore;
  /** For a score that slows down: 0 = this attempt gets through, else how long until one does. */
  slowDownMs(session: Session): number;
  /** Learns how an attempt ended that was refused. */
  refused(session: Session, refusal: Refusal): void;
}

export const UNSUSPECTED: RiskScore = Object.freeze({ score: 0, band: "pass", causes: Object.freeze([]) });

/** Finds nobody suspicious. */
export const trustingAssessor: RiskAssessor = {
  assess: () => UNSUSPECTED,
  slowDownMs: () => 0,
  refused: () => undefined,
};
