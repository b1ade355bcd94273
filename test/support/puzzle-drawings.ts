/**
 * Drawings without a thread: what a test wants to be asked, for as long as there are any.
 */
import type { ArithmeticDrawing, DrawingLevel, PuzzleDrawings, SlideDrawing } from "../../src/ports/puzzle-drawings.ts";

export const SUM: ArithmeticDrawing = {
  image: "aW1hZ2U=",
  widthPx: 260,
  heightPx: 84,
  words: "What is thirty-eight plus fourteen?",
  answer: 52,
};

export const GAP: SlideDrawing = {
  image: "aW1hZ2U=",
  widthPx: 320,
  heightPx: 150,
  piece: "cGllY2U=",
  piecePx: 54,
  pieceTopPx: 30,
  answerPx: 180,
};

/** Gives the same drawings again and again until it is emptied, and notes the levels that were asked for. */
export class ListedDrawings implements PuzzleDrawings {
  readonly levels: DrawingLevel[] = [];
  isEmpty = false;

  takeArithmetic(level: DrawingLevel): ArithmeticDrawing | null {
    this.levels.push(level);
    return this.isEmpty ? null : SUM;
  }

  takeSlide(level: DrawingLevel): SlideDrawing | null {
    this.levels.push(level);
    return this.isEmpty ? null : GAP;
  }
}
