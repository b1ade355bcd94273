/**
 * Port: one kind of challenge. What costs a person a moment and a machine something for every single attempt.
 *
 * A kind draws puzzles and judges solutions, and knows nothing of who is asked, when, or how often: the token, its code,
 * its expiry, the binding to session, sale and action, and that it counts once are the core's (funnel/6-admission/challenge).
 * A kind that needs to remember an answer seals it into the token (encrypted with a key of its own), so that nothing is
 * stored for a challenge that nobody solves. Kinds made by others are adapters.
 */
import type { SaleId, SessionId } from "../domain/ids.ts";

/** Every kind there is, in the order of what it costs the buyer. */
export const CHALLENGE_KINDS = ["pow", "arithmetic", "slide", "turnstile", "hcaptcha"] as const;
export type ChallengeKindName = (typeof CHALLENGE_KINDS)[number];

/** The longest solution that is looked at; the hot route's body is bounded more tightly. */
export const SOLUTION_LENGTH_MAX = 8_192;
/** The longest sealed answer that fits into a token. */
export const SEALED_LENGTH_MAX = 256;

/** Easiest and hardest: bits for proof of work, and each kind's own scale of the same meaning for the others. */
export const DIFFICULTY_MIN = 1;
export const DIFFICULTY_MAX = 24;

/**
 * A proof of work in the place of a kind that asks something of a person is so many bits harder, whoever wanted it so: a
 * buyer who cannot see a picture, a provider that is away, or a program that would rather compute. Four times the work is
 * a wait that anybody can bear; it must not be the cheap way.
 */
export const STAND_IN_BITS = 2;

/** What a new puzzle is for. The seed is this challenge's name: 128 random bits, 22 characters of base64url. */
export interface PuzzleRequest {
  readonly saleId: SaleId;
  readonly sessionId: SessionId;
  readonly seed: string;
  /** From {@link DIFFICULTY_MIN} to {@link DIFFICULTY_MAX}. */
  readonly difficulty: number;
  /** The server's wall clock. */
  readonly nowMs: number;
  readonly expiresAt: number;
}

/** A value that JSON can carry. */
export type ChallengeParameter =
  | string
  | number
  | boolean
  | null
  | readonly ChallengeParameter[]
  | { readonly [name: string]: ChallengeParameter };

/** A puzzle that was drawn. */
export interface Puzzle {
  /**
   * What the kind needs to judge the solution, readable by nobody else: base64url, at most {@link SEALED_LENGTH_MAX}
   * characters; null when the token alone is enough. It must not open under another seed.
   */
  readonly sealed: string | null;
  /** What the client needs to show or to compute it; becomes part of the document. */
  readonly parameters: Readonly<Record<string, ChallengeParameter>>;
}

/** A solution to a challenge whose token is genuine, unexpired, unused, and this session's for this sale. */
export interface PuzzleAnswer extends PuzzleRequest {
  readonly token: string;
  readonly sealed: string | null;
  /** As it was sent; at most {@link SOLUTION_LENGTH_MAX} characters. */
  readonly solution: string;
}

/**
 * "wrong" costs one of the kind's tries. "unavailable": whoever would know does not answer; the buyer gets a proof of
 * work in its place, never a free pass.
 */
export type PuzzleVerdict = "solved" | "wrong" | "unavailable";

export interface ChallengeKind {
  readonly name: ChallengeKindName;
  /** Wrong solutions after which the token is worth nothing any more; at least 1. */
  readonly triesMax: number;
  /**
   * True: its puzzles are too heavy or too few to go with every refusal, and are given to whoever asks for one by
   * `GET /v1/challenges/new`. Refusals carry a proof of work that names the kind as `preferred`.
   */
  readonly isOnRequest?: boolean;
  /**
   * Draws a puzzle, in microseconds: what takes longer was made before. Null = cannot now; another kind takes its place.
   * Must not throw.
   */
  mint(request: PuzzleRequest): Puzzle | null;
  /** Must not throw or reject, and must end within seconds. */
  verify(answer: PuzzleAnswer): PuzzleVerdict | Promise<PuzzleVerdict>;
}

/** The `challenge` member of a problem, and the answer of `GET /v1/challenges/new`. */
export interface ChallengeDocument {
  readonly kind: ChallengeKindName;
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Other kinds that may be asked for in its place: `GET /v1/challenges/new?saleId=…&kind=…`. */
  readonly alternatives: readonly ChallengeKindName[];
  /** The kind that stands for everybody here, where this one is only in its place and that one must be asked for. */
  readonly preferred?: ChallengeKindName;
  /** The strength of a clearance for it; the bits of a proof of work. */
  readonly difficulty: number;
  /** The kind's own parameters. */
  readonly [parameter: string]: ChallengeParameter;
}
