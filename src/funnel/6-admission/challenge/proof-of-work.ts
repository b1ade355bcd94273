/**
 * Proof of work: sixteen small SHA-256 puzzles in place of one large one.
 *
 * Puzzle i asks for a number n with `difficulty` leading zero bits in sha256("<token>.<i>.<n in base 36>"). One large
 * puzzle would take some buyers ten times as long as others; the sum of sixteen small ones is the same work for nearly
 * everybody and can show its progress. Nothing has to be kept: the token is the question. Checking costs sixteen hashes.
 */
import { hash } from "node:crypto";
import type { ChallengeKind, PuzzleVerdict } from "../../../ports/challenge.ts";

/** Puzzles per challenge. */
export const PUZZLES = 16;

/** Sixteen numbers of at most eight digits without leading zeros, so that a solution has one spelling. */
const SOLUTION_PATTERN = /^(?:0|[1-9a-z][0-9a-z]{0,7})(?:\.(?:0|[1-9a-z][0-9a-z]{0,7})){15}$/;

const PARAMETERS = Object.freeze({ puzzles: PUZZLES });
const PUZZLE = Object.freeze({ sealed: null, parameters: PARAMETERS });

const BITS_PER_BYTE = 8;

/** Whether the digest, one byte per character, begins with so many zero bits. */
function startsWithZeros(digest: string, bits: number): boolean {
  const bytes = bits >>> 3;
  for (let index = 0; index < bytes; index += 1) if (digest.charCodeAt(index) !== 0) return false;
  const rest = bits & (BITS_PER_BYTE - 1);
  return rest === 0 || digest.charCodeAt(bytes) >>> (BITS_PER_BYTE - rest) === 0;
}

function judge(token: string, solution: string, difficulty: number): PuzzleVerdict {
  if (!SOLUTION_PATTERN.test(solution)) return "wrong";
  const numbers = solution.split(".");
  for (let index = 0; index < PUZZLES; index += 1) {
    const digest = hash("sha256", `${token}.${index}.${numbers[index] ?? ""}`, "binary");
    if (!startsWithZeros(digest, difficulty)) return "wrong";
  }
  return "solved";
}

/** The kind that is always there: every other one steps down to it. */
export const proofOfWork = {
  name: "pow",
  triesMax: 3,
  mint: () => PUZZLE,
  verify: ({ token, solution, difficulty }) => judge(token, solution, difficulty),
} as const satisfies ChallengeKind;
