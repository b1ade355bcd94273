/**
 * Stage 6, admission: may this buyer take part in this sale?
 *
 * Cheapest rule first; the first one that fails is named in the refusal, because "not eligible" alone helps nobody. All
 * facts are in the session's claims or in the catalogue. Guests have level 0 and no account age, so any minimum of
 * either excludes them.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { CatalogueSale } from "../2-window/catalogue.ts";
import { notOpenRefusal } from "../2-window/window.ts";
import type { Session } from "../3-identity/session-token.ts";
import { prepareRefusal, refusalWithWait } from "../refusal-answers.ts";
import type { HotRequest } from "../request.ts";
import { type ChallengeDemand, type ChallengeGate, isDemand } from "./challenge-gate.ts";
import type { RiskAssessor, RiskScore } from "./risk/risk.ts";
import { opensAtFor } from "./tiers.ts";

const BLOCKED = prepareRefusal({ reason: "not_eligible", extra: { rule: "blocklist" } });
const NOT_ALLOWED = prepareRefusal({ reason: "not_eligible", extra: { rule: "allowlist" } });
const LEVEL_TOO_LOW = prepareRefusal({ reason: "not_eligible", extra: { rule: "level" } });
const SUSPECTED = prepareRefusal({ reason: "not_eligible", extra: { rule: "risk" } });
const NO_PASS = prepareRefusal({ reason: "throttled", retryAfterMs: 60_000, extra: { rule: "risk" } });
const ACCOUNT_TOO_YOUNG = prepareRefusal({ reason: "not_eligible", extra: { rule: "account_age" } });

/** Judges the rules of a sale. `nowMs` is the server's wall clock. */
export function checkEligibility(entry: CatalogueSale, session: Session, nowMs: number): Refusal | null {
  const { eligibility } = entry.sale;
  if (entry.blocklist.has(session.buyerId)) return BLOCKED;
  // A list that is not there yet admits nobody.
  if (eligibility.allowlist === true && entry.allowlist?.has(session.buyerId) !== true) return NOT_ALLOWED;
  if (eligibility.levelMin !== undefined && session.level < eligibility.levelMin) return LEVEL_TOO_LOW;
  if (eligibility.accountAgeMsMin !== undefined && eligibility.accountAgeMsMin > 0) {
    const { accountCreatedAt } = session;
    if (accountCreatedAt === null || nowMs - accountCreatedAt < eligibility.accountAgeMsMin) return ACCOUNT_TOO_YOUNG;
  }
  return null;
}

/** Where tiers come first: whether it is this buyer's turn. The refusal says when it will be. */
function checkTurn(entry: CatalogueSale, session: Session, nowMs: number): Refusal | null {
  if (nowMs >= entry.sale.opensAt) return null;
  const opensAt = opensAtFor(entry, session);
  return nowMs < opensAt ? notOpenRefusal(opensAt, nowMs) : null;
}

/**
 * The whole stage: eligibility and turn, then risk, then the challenge that the risk asks for. A pass has its challenge
 * behind it, but not the score: that an account is one of a hundred shows only when the others have come.
 */
export class Admission {
  readonly #gate: ChallengeGate;
  readonly #assessor: RiskAssessor;
  readonly #refusesByScore: boolean;

  /** `refusesByScore`: whether the highest band refuses; otherwise it slows down like the one below. */
  constructor(parts: { gate: ChallengeGate; assessor: RiskAssessor; refusesByScore?: boolean }) {
    this.#gate = parts.gate;
    this.#assessor = parts.assessor;
    this.#refusesByScore = parts.refusesByScore ?? false;
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
    const refusal = checkEligibility(entry, session, nowMs) ?? checkTurn(entry, session, nowMs);
    if (refusal !== null) return refusal;
    if (!attempt.hasPass) return this.weigh({ entry, session, request, nowMs, fullness });
    const risk = this.#assessor.assess({ session, request });
    if (risk.band === "refuse" && this.#refusesByScore) return SUSPECTED;
    return isSlow(risk) ? this.#slowDown(session) : null;
  }

  /** Risk and challenge alone: what is asked of whoever is eligible. */
  weigh(attempt: {
    entry: CatalogueSale;
    session: Session;
    request: HotRequest;
    nowMs: number;
    fullness: number;
    /** A pass is asked for: whom the score slows down gets none, or all would leave the slow lane by it. */
    isAhead?: boolean;
  }): Refusal | ChallengeDemand | null {
    const { entry, session, request, nowMs, fullness } = attempt;
    const risk = this.#assessor.assess({ session, request });
    if (risk.band === "refuse" && this.#refusesByScore) return SUSPECTED;
    const asked = this.#gate.check({ sale: entry.sale, session, risk, request, fullness, nowMs });
    if (asked !== null && !isDemand(asked)) return asked;
    // Last, so that whoever must wait solves his challenge meanwhile.
    if (!isSlow(risk)) return asked;
    if (attempt.isAhead === true) return NO_PASS;
    return this.#slowDown(session) ?? asked;
  }

  /** Null when it is this attempt's turn in the slow lane. */
  #slowDown(session: Session): Refusal | null {
    const waitMs = this.#assessor.slowDownMs(session);
    return waitMs > 0 ? refusalWithWait("throttled", waitMs) : null;
  }
}

function isSlow({ band }: RiskScore): boolean {
  return band === "slow_down" || band === "refuse";
}
