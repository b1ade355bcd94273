/**
 * Stage 6, admission: may this buyer take part in this sale?
 *
 * Cheapest rule first; the first one that fails is named in the refusal, because "not eligible" alone helps nobody. All
 * facts are in the session's claims or in the catalogue. Guests have level 0 and no account age, so any minimum of
 * either excludes them.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { CatalogueSale } from "../2-window/catalogue.ts";
import type { Session } from "../3-identity/session-token.ts";
import { prepareRefusal } from "../refusal-answers.ts";
import type { HotRequest } from "../request.ts";
import type { ChallengeDemand, ChallengeGate } from "./challenge-gate.ts";
import type { RiskAssessor } from "./risk/risk.ts";

const BLOCKED = prepareRefusal({ reason: "not_eligible", extra: { rule: "blocklist" } });
const NOT_ALLOWED = prepareRefusal({ reason: "not_eligible", extra: { rule: "allowlist" } });
const LEVEL_TOO_LOW = prepareRefusal({ reason: "not_eligible", extra: { rule: "level" } });
const ACCOUNT_TOO_YOUNG = prepareRefusal({ reason: "not_eligible", extra: { rule: "account_age" } });

/** Judges the rules of a sale. `nowMs` is the server's wall clock. */
export function checkEligibility(entry: CatalogueSale, session: Session, nowMs: number): Refusal | null {
  const { eligibility } = entry.sale;
  if (entry.blocklist.has(session.buyerId)) return BLOCKED;
  if (entry.allowlist !== null && !entry.allowlist.has(session.buyerId)) return NOT_ALLOWED;
  if (eligibility.levelMin !== undefined && session.level < eligibility.levelMin) return LEVEL_TOO_LOW;
  if (eligibility.accountAgeMsMin !== undefined && eligibility.accountAgeMsMin > 0) {
    const { accountCreatedAt } = session;
    if (accountCreatedAt === null || nowMs - accountCreatedAt < eligibility.accountAgeMsMin) return ACCOUNT_TOO_YOUNG;
  }
  return null;
}

/**
 * The whole stage: eligibility, then risk, then the challenge that the risk asks for. Of a pass only eligibility is left
 * to ask: risk and challenge were judged when it was made.
 */
export class Admission {
  readonly #gate: ChallengeGate;
  readonly #assessor: RiskAssessor;

  constructor(parts: { gate: ChallengeGate; assessor: RiskAssessor }) {
    this.#gate = parts.gate;
    this.#assessor = parts.assessor;
  }

  check(attempt: {
    entry: CatalogueSale;
    session: Session;
    request: HotRequest;
    nowMs: number;
    /** The session is that of a genuine pass. */
    hasPass: boolean;
    /** Attempts on their way to the ledger, as a part of the most there may be. */
    fullness: number;
  }): Refusal | ChallengeDemand | null {
    const { entry, session, request, nowMs, fullness } = attempt;
    const refusal = checkEligibility(entry, session, nowMs);
    if (refusal !== null || attempt.hasPass) return refusal;
    const risk = this.#assessor.assess({ session, request });
    return this.#gate.check({ sale: entry.sale, session, risk, request, fullness, nowMs });
  }
}
