/**
 * The desk where challenges are given out and solutions handed in.
 *
 * Giving one out stores nothing: the token says all. A solution counts once, over all nodes where they share an edge and
 * on this node in any case, and only in the session, for the sale and the action it was given out for. Tries at an answer
 * that can be guessed are counted in the same way, before they are judged. A kind that cannot
 * draw or judge now is replaced by proof of work, so an outage makes nobody's way free. Who must solve one, and how hard,
 * is the gate's question (demanding-gate.ts).
 */
import { isFault } from "../../../domain/faults.ts";
import type { SaleId, SessionId } from "../../../domain/ids.ts";
import {
  type ChallengeDocument,
  type ChallengeKind,
  type ChallengeKindName,
  DIFFICULTY_MAX,
  DIFFICULTY_MIN,
  type Puzzle,
  type PuzzleRequest,
  type PuzzleVerdict,
  SOLUTION_LENGTH_MAX,
  STAND_IN_BITS,
} from "../../../ports/challenge.ts";
import type { EdgeState } from "../../../ports/edge-state.ts";
import type { Random } from "../../../ports/random.ts";
import type { Keys } from "../../3-identity/keys.ts";
import { hexOfWords, KeyedHash, keyedHash } from "../../keyed-hash.ts";
import { type ChallengeClaims, mintChallengeToken, openChallengeToken } from "./challenge-token.ts";
import { mintClearance } from "./clearance.ts";
import { proofOfWork } from "./proof-of-work.ts";
import { type TakenChallenge, UsedChallenges } from "./used-challenges.ts";

export interface ChallengeDeskParts {
  readonly keys: Pick<Keys, "challenge" | "clearance" | "sharedHash">;
  readonly random: Random;
  /** Where nodes tell each other which challenges were solved; null = each knows its own. */
  readonly edge?: Pick<EdgeState, "claimNonce"> | null;
  /** Besides proof of work, which is always there. */
  readonly kinds?: readonly ChallengeKind[];
  /** The kind that is given out unless another is asked for. */
  readonly primary?: ChallengeKindName;
  /** How long a challenge can be solved. */
  readonly ttlMs: number;
  /** How long a solved challenge clears attempts, counted from when it would have expired. */
  readonly clearanceMs: number;
}

/** Why a solution counts for nothing. */
export type ChallengeFailure =
  | "malformed"
  | "foreign"
  | "expired"
  | "used"
  | "wrong"
  | "too_easy"
  | "unavailable"
  | "crowded";

export type Redemption =
  | { readonly kind: "solved"; readonly clearance: string; readonly expiresAt: number; readonly strength: number }
  | { readonly kind: "failed"; readonly cause: ChallengeFailure };

/** A solution as it was handed in. */
export interface HandedIn {
  readonly saleId: SaleId;
  readonly sessionId: SessionId;
  readonly token: string;
  readonly solution: string;
  /** The least difficulty that is enough. */
  readonly strengthMin: number;
  /**
   * What it is for: the same solution for the same purpose is the same call again and counts again. Empty = never again.
   */
  readonly purpose: string;
  readonly nowMs: number;
}

/** One per process. */
export class ChallengeDesk {
  readonly #parts: ChallengeDeskParts;
  readonly #kinds: ReadonlyMap<ChallengeKindName, ChallengeKind>;
  readonly #primary: ChallengeKindName;
  readonly #alternatives: ReadonlyMap<ChallengeKindName, readonly ChallengeKindName[]>;
  readonly #used: UsedChallenges;
  readonly #sharedHash: KeyedHash;

  constructor(parts: ChallengeDeskParts) {
    this.#parts = parts;
    this.#kinds = new Map([proofOfWork, ...(parts.kinds ?? [])].map((kind) => [kind.name, kind]));
    this.#primary = parts.primary ?? proofOfWork.name;
    const names = [...this.#kinds.keys()];
    this.#alternatives = new Map(names.map((name) => [name, names.filter((other) => other !== name)]));
    this.#used = new UsedChallenges({ hash: keyedHash(parts.random) });
    this.#sharedHash = new KeyedHash(parts.keys.sharedHash);
  }

  /**
   * A fresh challenge of the kind asked for, of the primary kind, or a proof of work where that cannot be had now.
   * `isRefusal`: it goes with a refusal, so kinds that are given on request only are named and not given.
   */
  give(request: {
    saleId: SaleId;
    sessionId: SessionId;
    difficulty: number;
    nowMs: number;
    kind?: ChallengeKindName | undefined;
    isRefusal?: boolean;
  }): ChallengeDocument {
    const { saleId, sessionId, nowMs } = request;
    const wanted: PuzzleRequest = {
      saleId,
      sessionId,
      seed: this.#parts.random.id(),
      difficulty: clampedDifficulty(request.difficulty),
      nowMs,
      expiresAt: Math.floor((nowMs + this.#parts.ttlMs) / 1_000) * 1_000,
    };
    const kind: ChallengeKind = this.#kinds.get(request.kind ?? this.#primary) ?? proofOfWork;
    if (kind === proofOfWork) return this.#standIn(wanted);
    if (request.isRefusal === true && kind.isOnRequest === true) {
      return { ...this.#standIn(wanted), preferred: kind.name };
    }
    const puzzle = kind.mint(wanted);
    return puzzle === null ? this.#standIn(wanted) : this.#document(kind, puzzle, wanted);
  }

  /** A proof of work; harder where another kind stands for everybody. */
  #standIn(wanted: PuzzleRequest): ChallengeDocument {
    const bits = this.#primary === proofOfWork.name ? 0 : STAND_IN_BITS;
    const difficulty = clampedDifficulty(wanted.difficulty + bits);
    return this.#document(proofOfWork, proofOfWork.mint(), { ...wanted, difficulty });
  }

  /** Whether there is such a kind here. */
  offers(kind: string): kind is ChallengeKindName {
    return this.#kinds.has(kind as ChallengeKindName);
  }

  #document(kind: ChallengeKind, { sealed, parameters }: Puzzle, wanted: PuzzleRequest): ChallengeDocument {
    const { name } = kind;
    return {
      kind: name,
      token: mintChallengeToken(this.#parts.keys.challenge, { ...wanted, kind: name, sealed }),
      expiresAt: wanted.expiresAt,
      alternatives: this.#alternatives.get(name) ?? [],
      difficulty: wanted.difficulty,
      ...parameters,
    };
  }

  /** Judges a solution. Rejects only for bugs. */
  async redeem(handedIn: HandedIn): Promise<Redemption> {
    const { token, solution, purpose, nowMs } = handedIn;
    const claims = openChallengeToken(this.#parts.keys.challenge, token, handedIn);
    if (typeof claims === "string") return { kind: "failed", cause: claims };
    if (claims.difficulty < handedIn.strengthMin) return { kind: "failed", cause: "too_easy" };
    const kind = this.#kinds.get(claims.kind);
    if (kind === undefined) return { kind: "failed", cause: "unavailable" };
    if (solution.length > SOLUTION_LENGTH_MAX) return { kind: "failed", cause: "wrong" };

    const taken = this.#used.take({ seed: claims.seed, purpose, expiresAt: claims.expiresAt, nowMs });
    if (taken === "again") return this.#solved(claims, handedIn);
    if (taken === "full") return { kind: "failed", cause: "crowded" };
    if (taken === "used") return { kind: "failed", cause: "used" };
    // Tries that other nodes have seen; this one's table stays as it is, for there are none left.
    if (!(await this.#claimTry(kind, claims, handedIn))) return { kind: "failed", cause: "used" };
    const verdict = await this.#judge(kind, claims, handedIn, taken);
    if (verdict !== "solved") return { kind: "failed", cause: verdict };
    if (!(await this.#claimOnce(handedIn.sessionId, claims.seed))) return { kind: "failed", cause: "used" };
    this.#used.spend(taken, purpose);
    return this.#solved(claims, handedIn);
  }

  async #judge(
    kind: ChallengeKind,
    claims: ChallengeClaims,
    handedIn: HandedIn,
    taken: TakenChallenge,
  ): Promise<PuzzleVerdict> {
    const { saleId, sessionId, token, solution, nowMs } = handedIn;
    let verdict: PuzzleVerdict = "unavailable";
    try {
      verdict = await kind.verify({ ...claims, saleId, sessionId, token, solution, nowMs });
    } finally {
      if (verdict === "unavailable") this.#used.release(taken);
      if (verdict === "wrong") this.#used.fault(taken, kind.triesMax);
    }
    return verdict;
  }

  #solved({ difficulty, expiresAt }: ChallengeClaims, { saleId, sessionId }: HandedIn): Redemption {
    const until = expiresAt + this.#parts.clearanceMs;
    const clearance = { saleId, sessionId, strength: difficulty, expiresAt: until };
    return {
      kind: "solved",
      clearance: mintClearance(this.#parts.keys.clearance, clearance),
      expiresAt: Math.floor(until / 1_000) * 1_000,
      strength: difficulty,
    };
  }

  /** True while one of the tries is left over all nodes: it is taken. Only an answer that is sealed can be guessed. */
  async #claimTry(kind: ChallengeKind, { sealed, seed }: ChallengeClaims, { sessionId }: HandedIn): Promise<boolean> {
    if (sealed === null) return true;
    for (let tries = 1; tries <= kind.triesMax; tries += 1) {
      if (await this.#claimOnce(sessionId, `${seed}|${tries}`)) return true;
    }
    return false;
  }

  /** True the first time over all nodes. An edge that is away has no say: this node's table had. */
  async #claimOnce(sessionId: SessionId, what: string): Promise<boolean> {
    const edge = this.#parts.edge ?? null;
    if (edge === null) return true;
    const sessionKey = this.#nameOf(`challenge|${sessionId}`);
    try {
      return await edge.claimNonce({ sessionKey, nonceKey: this.#nameOf(what), ttlMs: this.#parts.ttlMs });
    } catch (error) {
      if (isFault(error, "EDGE_UNAVAILABLE")) return true;
      throw error;
    }
  }

  #nameOf(text: string): string {
    this.#sharedHash.update(text);
    return hexOfWords(this.#sharedHash);
  }
}

function clampedDifficulty(difficulty: number): number {
  return Math.min(Math.max(difficulty, DIFFICULTY_MIN), DIFFICULTY_MAX);
}
