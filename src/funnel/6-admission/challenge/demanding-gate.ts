/**
 * The gate of sales with challenges: who is asked, and for how much work.
 *
 * "always" asks everybody for at least the base difficulty, "adaptive" only while the node is crowded or the attempt is
 * suspect, "none" nobody. Suspicion raises what a solution must be worth; load raises only what is newly given out, so
 * that whoever solved his challenge before the crowd came is not asked again. A clearance in the header costs one code to
 * check; refusing costs one random number and one code.
 */
import type { SaleId, SessionId } from "../../../domain/ids.ts";
import type { Refusal } from "../../../domain/refusals.ts";
import type { Sale } from "../../../domain/sale.ts";
import type { ChallengeDocument, ChallengeKindName } from "../../../ports/challenge.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Keys } from "../../3-identity/keys.ts";
import type { Session } from "../../3-identity/session-token.ts";
import type { ChallengeDemand, ChallengeGate, ChallengeSolution, GatedAttempt } from "../challenge-gate.ts";
import type { RiskBand } from "../risk/risk.ts";
import type { ChallengeDesk, ChallengeFailure, Redemption } from "./challenge-desk.ts";
import { CLEARANCE_HEADER, openClearance } from "./clearance.ts";
import type { LoadLevel } from "./load-level.ts";

export interface DemandingGateParts {
  readonly desk: ChallengeDesk;
  readonly load: LoadLevel;
  readonly keys: Pick<Keys, "clearance">;
  readonly clock: Clock;
  /** The band of a score: what a session began with counts before the first attempt. */
  readonly bandOf: (score: number) => RiskBand;
  /** Bits of the proof of work that everybody is asked for who is asked at all. */
  readonly baseDifficulty: number;
  /** No challenge is harder, whatever load and suspicion say. */
  readonly difficultyMax: number;
}

/** A body this short has no room for a token: it is refused without being read. */
export const SOLUTION_BODY_BYTES_MIN = 120;

/** Bits on top of the base for each band of suspicion: each one doubles the work. From the first on, adaptive sales ask. */
const BITS_OF_BAND: Readonly<Record<RiskBand, number>> = { pass: 0, challenge: 1, slow_down: 2, refuse: 4 };

/**
 * What is solved ahead of time is worth this much more than the session asks for now, so that a small doubt at the opening
 * asks nobody again. Ahead of time nobody waits for it.
 */
const AHEAD_BITS = 1;

/** `implements ChallengeGate`, and gives challenges out ahead of time. */
export class DemandingGate implements ChallengeGate {
  readonly #parts: DemandingGateParts;

  constructor(parts: DemandingGateParts) {
    this.#parts = parts;
  }

  check(attempt: GatedAttempt): Refusal | ChallengeDemand | null {
    const { sale, session, nowMs, fullness } = attempt;
    if (sale.challenge === "none") return null;
    const level = this.#parts.load.note({ nowMs: this.#parts.clock.monotonicMs(), fullness });
    const riskBits = BITS_OF_BAND[attempt.risk.band];
    if (sale.challenge === "adaptive" && level === 0 && riskBits === 0) return null;

    const demand = this.#demandOf({ saleId: sale.id, sessionId: session.sessionId, level, riskBits });
    const clearance = attempt.request.header(CLEARANCE_HEADER);
    if (clearance !== null) {
      const strength = openClearance(this.#parts.keys.clearance, clearance, { ...demand, nowMs });
      if (strength === "foreign") return this.#refuse("challenge_failed", { demand, cause: strength, nowMs });
      if (strength !== "expired" && strength >= demand.strengthMin) return null;
    }
    if (mayCarrySolution(attempt.request)) return demand;
    return this.#refuse("challenge_required", { demand, nowMs });
  }

  async settle(
    demand: ChallengeDemand,
    handedIn: { solution: ChallengeSolution | null; purpose: string; nowMs: number },
  ): Promise<Refusal | null> {
    const { solution, purpose, nowMs } = handedIn;
    if (solution === null) return this.#refuse("challenge_required", { demand, nowMs });
    const redemption = await this.#parts.desk.redeem({ ...demand, ...solution, purpose, nowMs });
    if (redemption.kind === "solved") return null;
    return this.#failed(redemption.cause, demand, nowMs);
  }

  /** A challenge to solve before it is asked for; null where the sale never asks. */
  giveAhead(request: {
    sale: Sale;
    session: Session;
    kind?: ChallengeKindName | undefined;
    nowMs: number;
  }): ChallengeDocument | null {
    const { sale, session, kind, nowMs } = request;
    if (sale.challenge === "none") return null;
    const { saleId, sessionId, difficulty } = this.#demandAhead(sale.id, session);
    return this.#parts.desk.give({ saleId, sessionId, difficulty, nowMs, ...(kind === undefined ? {} : { kind }) });
  }

  /** Whether a kind can be asked for here. */
  offers(kind: string): kind is ChallengeKindName {
    return this.#parts.desk.offers(kind);
  }

  /** Turns a solution into a clearance, or into the refusal with a fresh challenge. */
  async clear(request: {
    sale: Sale;
    session: Session;
    solution: ChallengeSolution;
    nowMs: number;
  }): Promise<Extract<Redemption, { kind: "solved" }> | Refusal> {
    const { sale, session, nowMs } = request;
    const demand = this.#demandAhead(sale.id, session);
    const handedIn = { ...request.solution, purpose: "", strengthMin: 0, nowMs };
    const redemption = await this.#parts.desk.redeem({ ...demand, ...handedIn });
    return redemption.kind === "solved" ? redemption : this.#failed(redemption.cause, demand, nowMs);
  }

  #demandAhead(saleId: SaleId, session: Session): ChallengeDemand {
    const level = this.#parts.load.read({ nowMs: this.#parts.clock.monotonicMs(), fullness: 0 });
    const riskBits = BITS_OF_BAND[this.#parts.bandOf(session.suspicion)] + AHEAD_BITS;
    return this.#demandOf({ saleId, sessionId: session.sessionId, level, riskBits });
  }

  #demandOf(of: { saleId: SaleId; sessionId: SessionId; level: number; riskBits: number }): ChallengeDemand {
    const { baseDifficulty, difficultyMax } = this.#parts;
    const strengthMin = Math.min(baseDifficulty + of.riskBits, difficultyMax);
    const difficulty = Math.min(strengthMin + Math.max(0, of.level - 1), difficultyMax);
    return { saleId: of.saleId, sessionId: of.sessionId, strengthMin, difficulty };
  }

  #failed(cause: ChallengeFailure, demand: ChallengeDemand, nowMs: number): Refusal {
    if (cause === "crowded") return { reason: "busy" };
    // He solved what he was given; that more is wanted by now is not his failure.
    if (cause === "too_easy") return this.#refuse("challenge_required", { demand, nowMs });
    // Whoever judges that kind does not answer: proof of work takes its place.
    const kind = cause === "unavailable" ? ("pow" as const) : undefined;
    return this.#refuse("challenge_failed", { demand, cause, nowMs, kind });
  }

  #refuse(
    reason: "challenge_required" | "challenge_failed",
    why: { demand: ChallengeDemand; nowMs: number; cause?: ChallengeFailure; kind?: "pow" | undefined },
  ): Refusal {
    const { demand, nowMs, cause, kind } = why;
    const { saleId, sessionId, difficulty } = demand;
    const challenge = this.#parts.desk.give({ saleId, sessionId, difficulty, nowMs, kind, isRefusal: true });
    return { reason, extra: cause === undefined ? { challenge } : { cause, challenge } };
  }
}

/** Whether the body is long enough to have a solution in it; one of unannounced length may have. */
function mayCarrySolution(request: { header(name: string): string | null }): boolean {
  const length = request.header("content-length");
  return length === null || Number(length) >= SOLUTION_BODY_BYTES_MIN;
}
