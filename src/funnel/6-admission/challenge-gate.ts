/**
 * Interface: whether an attempt must carry a solved challenge, and whether the one it carries is good.
 *
 * `check` answers with a value and must not wait: what it needs is in the headers or already in memory. A solution in the
 * body cannot be seen there, so the gate may answer with a demand, which stage 7 settles once it has read the body. Where
 * no gate is composed the one below fails closed: a sale that demands a challenge is then entered by nobody.
 */
import type { SaleId, SessionId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { Sale } from "../../domain/sale.ts";
import type { Session } from "../3-identity/session-token.ts";
import { plainRefusal } from "../refusal-answers.ts";
import type { RiskScore } from "./risk/risk.ts";

/** An attempt as the gate sees it. */
export interface GatedAttempt {
  readonly sale: Sale;
  readonly session: Session;
  readonly risk: RiskScore;
  readonly request: { header(name: string): string | null };
  /** Attempts on their way to the ledger, as a part of the most there may be. */
  readonly fullness: number;
  /** The server's wall clock. */
  readonly nowMs: number;
}

/** A solution must come in the body, and be worth this much. */
export interface ChallengeDemand {
  readonly saleId: SaleId;
  readonly sessionId: SessionId;
  /** The least difficulty that is enough. */
  readonly strengthMin: number;
  /** Of the challenge that a failure answers with. */
  readonly difficulty: number;
}

/** The member `challenge` of a body. */
export interface ChallengeSolution {
  readonly token: string;
  readonly solution: string;
}

export interface ChallengeGate {
  /** Null when nothing (more) is demanded. */
  check(attempt: GatedAttempt): Refusal | ChallengeDemand | null;
  /** Null when the solution meets the demand. `purpose`: the attempt's idempotency key. Rejects only for bugs. */
  settle(
    demand: ChallengeDemand,
    handedIn: { solution: ChallengeSolution | null; purpose: string; nowMs: number },
  ): Promise<Refusal | null>;
}

/** Tells the two answers of a gate apart. */
export function isDemand(answer: Refusal | ChallengeDemand): answer is ChallengeDemand {
  return "strengthMin" in answer;
}

/** Lets sales with `challenge: "none"` through and refuses every other. */
export const noChallengeGate: ChallengeGate = {
  check: ({ sale }) => (sale.challenge === "none" ? null : plainRefusal("challenge_required")),
  settle: async () => plainRefusal("challenge_required"),
};
