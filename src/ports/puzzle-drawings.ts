/**
 * Port: puzzles that were drawn beforehand, because drawing takes a thousand times as long as a challenge may take.
 *
 * Each is handed out once. Whoever asks faster than they are drawn gets null and asks for another kind of challenge;
 * nothing here waits. The adapter owns the thread that draws, and draws no faster than a bound of its own, so that a flood of
 * requests for puzzles costs no more than a quiet node.
 */

/** How hard the drawing is for a person, and for a machine. */
export type DrawingLevel = "plain" | "hard";

/** A calculation as a picture and in words. */
export interface ArithmeticDrawing {
  /** PNG, base64. */
  readonly image: string;
  readonly widthPx: number;
  readonly heightPx: number;
  /** The same calculation for people who cannot see the picture. */
  readonly words: string;
  /** From 1 to 999. */
  readonly answer: number;
}

/** A picture with a gap, and the piece that fits it. */
export interface SlideDrawing {
  /** PNG, base64. */
  readonly image: string;
  readonly widthPx: number;
  readonly heightPx: number;
  /** PNG with transparent surroundings, base64; a square of `piecePx`. */
  readonly piece: string;
  readonly piecePx: number;
  /** Distance of the piece's upper edge from the picture's; it moves sideways only. */
  readonly pieceTopPx: number;
  /** Distance of the piece's left edge from the picture's when it fits. */
  readonly answerPx: number;
}

export interface PuzzleDrawings {
  /** Null = none is ready. */
  takeArithmetic(level: DrawingLevel): ArithmeticDrawing | null;
  /** Null = none is ready. */
  takeSlide(level: DrawingLevel): SlideDrawing | null;
}
