/**
 * Solving challenges: what the server asks for before it lets attempts of a sale through.
 *
 * A solver turns a challenge into the text that solves it, and may take seconds. The one here does proof of work on the
 * caller's own thread in short slices; a page passes one of its own, with a worker and with something to look at for kinds
 * that a person solves. What the solution is then worth (a clearance for the session) is doorbuster.ts's to keep.
 */
import type { Challenge, Problem } from "./contract.ts";
import { ProofOfWork } from "./pow.ts";
import { sleep } from "./sleep.ts";

/** What a solver is given besides the challenge. */
export interface ChallengeWork {
  readonly signal: AbortSignal | undefined;
  /** From 0 to 1, never falling. */
  readonly onProgress: (fraction: number) => void;
}

/** Another kind of challenge is wanted in the place of this one: the preferred one, or one that this person can solve. */
export interface OtherKind {
  readonly instead: string;
}

/**
 * The solution, another kind, or null when this kind of challenge cannot be solved here and proof of work shall take its
 * place. Rejects when the signal aborts.
 */
export type ChallengeSolver = (challenge: Challenge, work: ChallengeWork) => Promise<string | OtherKind | null>;

/** The kind that every client can solve without a person. */
export const WORK_KIND = "pow";

/** Tries per slice: some milliseconds, so that a page without a worker still scrolls. */
const TRIES_PER_SLICE = 8_192;
/** No challenge asks for more than this; beyond it a number would never be found. */
const DIFFICULTY_MAX = 24;
const PUZZLES_MAX = 64;

/** The task in a challenge that is a proof of work; null for other kinds. */
export function workOf(challenge: Challenge): ProofOfWork | null {
  const { kind, token, difficulty, puzzles } = challenge;
  if (kind !== WORK_KIND || typeof puzzles !== "number" || puzzles > PUZZLES_MAX || difficulty > DIFFICULTY_MAX) {
    return null;
  }
  return new ProofOfWork({ token, difficulty, puzzles });
}

/** Solves a proof of work in slices on this thread. */
export const solveInSlices: ChallengeSolver = async (challenge, { signal, onProgress }) => {
  const work = workOf(challenge);
  if (work === null) return null;
  while (!work.work(TRIES_PER_SLICE)) {
    onProgress(work.fraction);
    await sleep(0, signal);
    signal?.throwIfAborted();
  }
  onProgress(1);
  return work.solution;
};

/** The fresh challenge that a refusal carries; null when it carries none. */
export function challengeIn(problem: Problem): Challenge | null {
  const { reason, ["challenge"]: challenge } = problem;
  const asks = reason === "challenge_required" || reason === "challenge_failed";
  return asks && isChallenge(challenge) ? challenge : null;
}

function isChallenge(value: unknown): value is Challenge {
  if (value === null || typeof value !== "object") return false;
  const { kind, token, difficulty } = value as Partial<Challenge>;
  return typeof kind === "string" && typeof token === "string" && typeof difficulty === "number";
}
