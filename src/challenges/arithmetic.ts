/**
 * The kind "arithmetic": a small calculation as a picture, with its words for those who cannot see it.
 *
 * The simplest of the kinds that ask something of a person. Two tries for one of ninety results or more: guessing succeeds
 * once in fifty times at best, and each failure is remembered by the risk model.
 */
import type { ChallengeKind, Puzzle, PuzzleAnswer, PuzzleRequest, PuzzleVerdict } from "../ports/challenge.ts";
import type { PuzzleDrawings } from "../ports/puzzle-drawings.ts";
import { drawingLevelOf } from "./drawing-level.ts";
import { lockWords } from "./locked-words.ts";
import type { PictureAllowance } from "./picture-allowance.ts";
import { AnswerSeal, type SealKeys } from "./sealed-answer.ts";

/** Digits without a leading zero, so that a solution has one spelling. */
const SOLUTION_PATTERN = /^[1-9][0-9]{0,3}$/;

/** `implements ChallengeKind`. */
export class ArithmeticChallenge implements ChallengeKind {
  readonly name = "arithmetic";
  readonly triesMax = 2;
  readonly isOnRequest = true;
  readonly #drawings: Pick<PuzzleDrawings, "takeArithmetic">;
  readonly #allowance: PictureAllowance;
  readonly #lockKey: Uint8Array;
  readonly #seal: AnswerSeal;

  constructor(options: {
    drawings: Pick<PuzzleDrawings, "takeArithmetic">;
    allowance: PictureAllowance;
    keys: SealKeys;
  }) {
    this.#drawings = options.drawings;
    this.#allowance = options.allowance;
    this.#lockKey = options.keys.current;
    this.#seal = new AnswerSeal({ keys: options.keys, kind: "arithmetic" });
  }

  mint(request: PuzzleRequest): Puzzle | null {
    const { sessionId, nowMs } = request;
    if (!this.#allowance.allows(sessionId, nowMs)) return null;
    const drawing = this.#drawings.takeArithmetic(drawingLevelOf(request.difficulty));
    if (drawing === null) return null;
    this.#allowance.note(sessionId, nowMs);
    const { image, widthPx, heightPx, words, answer } = drawing;
    const { seed, difficulty } = request;
    return {
      sealed: this.#seal.seal(request, { answer, mintedAt: nowMs }),
      parameters: {
        image,
        widthPx,
        heightPx,
        seed,
        words: { ...lockWords({ key: this.#lockKey, seed, difficulty, words }) },
      },
    };
  }

  verify(answer: PuzzleAnswer): PuzzleVerdict {
    const remembered = answer.sealed === null ? null : this.#seal.open(answer, answer.sealed);
    if (remembered === null) return "unavailable";
    return SOLUTION_PATTERN.test(answer.solution) && Number(answer.solution) === remembered.answer ? "solved" : "wrong";
  }
}
