/**
 * What the SDK finds is what the server accepts, and nothing that is a little different is.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { solve } from "../../../../test/support/challenges.ts";
import type { SaleId, SessionId } from "../../../domain/ids.ts";
import type { PuzzleVerdict } from "../../../ports/challenge.ts";
import { PUZZLES, proofOfWork } from "./proof-of-work.ts";

const DIFFICULTY = 6;

function verify(token: string, solution: string, difficulty = DIFFICULTY): PuzzleVerdict {
  const binding = { saleId: "sale" as SaleId, sessionId: "session" as SessionId, seed: "s".repeat(22) };
  return proofOfWork.verify({ ...binding, token, solution, difficulty, nowMs: 0, expiresAt: 1, sealed: null });
}

function solutionOf(token: string, difficulty = DIFFICULTY): string {
  return solve({ token, difficulty, puzzles: PUZZLES });
}

const tokens = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_."), minLength: 60, maxLength: 200 });

describe("proof of work", () => {
  test("accepts what the SDK finds", () => {
    fc.assert(
      fc.property(tokens, fc.integer({ min: 1, max: 10 }), (token, difficulty) => {
        expect(verify(token, solutionOf(token, difficulty), difficulty)).toBe("solved");
      }),
      { numRuns: 60 },
    );
  });

  test("refuses a solution of which one number does not do the work", () => {
    fc.assert(
      fc.property(tokens, fc.nat({ max: PUZZLES - 1 }), (token, place) => {
        const numbers = solutionOf(token).split(".");
        // The first number that fits is what the SDK found, so every smaller one fails.
        const found = Number.parseInt(numbers[place] ?? "", 36);
        fc.pre(found > 0);
        const other = numbers.map((number, at) => (at === place ? (found - 1).toString(36) : number));
        expect(verify(token, other.join("."))).toBe("wrong");
      }),
      { numRuns: 100 },
    );
  });

  test("refuses the work of another token, too little of it, and easier work", () => {
    const solution = solutionOf("token-a");
    expect(verify("token-a", solution)).toBe("solved");
    expect(verify("token-b", solution)).toBe("wrong");
    expect(verify("token-a", solution.split(".").slice(1).join("."))).toBe("wrong");
    expect(verify("token-a", `${solution}.0`)).toBe("wrong");
    expect(verify("token-a", solution, DIFFICULTY + 8)).toBe("wrong");
  });

  test("knows one spelling of each number", () => {
    const solution = solutionOf("token-a");
    const first = solution.split(".")[0] ?? "";
    for (const other of [
      `0${first}`,
      ` ${first}`,
      `${first} `,
      `+${first}`,
      first.toUpperCase().replace(/^\d+$/, "A"),
    ]) {
      expect(verify("token-a", [other, ...solution.split(".").slice(1)].join("."))).toBe("wrong");
    }
    for (const other of ["", ".", "....................", "x".repeat(9_000), solution.replaceAll(".", ",")]) {
      expect(verify("token-a", other)).toBe("wrong");
    }
  });

  test("judges leading bits, not leading bytes", () => {
    // Each further bit halves what fits: at least one of many solutions for n bits must fail for n + 1.
    const tried = Array.from({ length: 4 }, (_, index) => `token-${index}`);
    for (const difficulty of [3, 7, 8, 9]) {
      expect(tried.some((token) => verify(token, solutionOf(token, difficulty), difficulty + 1) === "wrong")).toBe(
        true,
      );
    }
  });
});
