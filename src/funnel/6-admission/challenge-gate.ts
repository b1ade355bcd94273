/**
 * Interface: whether an attempt must carry a solved challenge, and whether the one it carries is good.
 *
 * A gate answers with a value and must not wait: what it needs is in the session or already in memory. Only the gate for
 * sales without a challenge exists; it fails closed, so a sale that demands one can never be entered by accident.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { Sale } from "../../domain/sale.ts";
import type { Session } from "../3-identity/session-token.ts";
import { plainRefusal } from "../refusal-answers.ts";
import type { RiskScore } from "./risk/risk.ts";

export interface ChallengeGate {
  /** Null when nothing (more) is demanded. */
  check(attempt: { sale: Sale; session: Session; risk: RiskScore }): Refusal | null;
}

/** Lets sales with `challenge: "none"` through and refuses every other. */
export const noChallengeGate: ChallengeGate = {
  check: ({ sale }) => (sale.challenge === "none" ? null : plainRefusal("challenge_required")),
};
