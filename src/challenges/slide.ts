/**
 * The kind "slide": a piece is moved sideways until it fills its gap.
 *
 * The place must be right within a few pixels, and the way to it one that a hand can have made, in a time that has really
 * passed: a solution cannot tell of more time than there was since the puzzle was given out.
 */
import type { ChallengeKind, Puzzle, PuzzleAnswer, PuzzleRequest, PuzzleVerdict } from "../ports/challenge.ts";
import type { DrawingLevel, PuzzleDrawings } from "../ports/puzzle-drawings.ts";
import { drawingLevelOf } from "./drawing-level.ts";
import type { PictureAllowance } from "./picture-allowance.ts";
import { AnswerSeal, type SealKeys } from "./sealed-answer.ts";
import { readTrack, SLIDE_MS_MIN } from "./slide-track.ts";

/** How far from its place the piece may be left. Of the some two hundred places a guess meets these few. */
export const TOLERANCE_PX: Readonly<Record<DrawingLevel, number>> = { plain: 4, hard: 3 };
/** The buyer's clock and the server's run at slightly different speeds, and answers take their time. */
const CLOCK_SLACK_MS = 250;

/** `implements ChallengeKind`. */
export class SlideChallenge implements ChallengeKind {
  readonly name = "slide";
  readonly triesMax = 2;
  readonly isOnRequest = true;
  readonly #drawings: Pick<PuzzleDrawings, "takeSlide">;
  readonly #allowance: PictureAllowance;
  readonly #seal: AnswerSeal;

  constructor(options: {
    drawings: Pick<PuzzleDrawings, "takeSlide">;
    allowance: PictureAllowance;
    keys: SealKeys;
  }) {
    this.#drawings = options.drawings;
    this.#allowance = options.allowance;
    this.#seal = new AnswerSeal({ keys: options.keys, kind: "slide" });
  }

  mint(request: PuzzleRequest): Puzzle | null {
    const { sessionId, nowMs } = request;
    if (!this.#allowance.allows(sessionId, nowMs)) return null;
    const drawing = this.#drawings.takeSlide(drawingLevelOf(request.difficulty));
    if (drawing === null) return null;
    this.#allowance.note(sessionId, nowMs);
    const { answerPx, ...parameters } = drawing;
    return { sealed: this.#seal.seal(request, { answer: answerPx, mintedAt: nowMs }), parameters };
  }

  verify(answer: PuzzleAnswer): PuzzleVerdict {
    const remembered = answer.sealed === null ? null : this.#seal.open(answer, answer.sealed);
    if (remembered === null) return "unavailable";
    const track = readTrack(answer.solution);
    if (track?.isPlausible !== true) return "wrong";
    const passedMs = answer.nowMs - remembered.mintedAt;
    const isInTime = passedMs >= SLIDE_MS_MIN && track.durationMs <= passedMs + CLOCK_SLACK_MS;
    const awayPx = Math.abs(track.endPx - remembered.answer);
    return isInTime && awayPx <= TOLERANCE_PX[drawingLevelOf(answer.difficulty)] ? "solved" : "wrong";
  }
}
