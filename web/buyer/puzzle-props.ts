/**
 * What every kind of question is given.
 */
import type { Challenge } from "../../client/contract.ts";

export interface PuzzleProps {
  readonly challenge: Challenge;
  readonly onSolution: (solution: string) => void;
}
