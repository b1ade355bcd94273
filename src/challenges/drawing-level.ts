/**
 * Which drawings belong to which difficulty: two steps, because a person cannot be asked for one bit more.
 */
import type { DrawingLevel } from "../ports/puzzle-drawings.ts";

/** Two bits above the ordinary: a node under load, or a buyer whom something speaks against. */
const HARD_DIFFICULTY_MIN = 16;

/** The level to draw for a difficulty of the proof of work. */
export function drawingLevelOf(difficulty: number): DrawingLevel {
  return difficulty >= HARD_DIFFICULTY_MIN ? "hard" : "plain";
}
