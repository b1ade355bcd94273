import { describe, expect, test } from "bun:test";
import { hash } from "node:crypto";
import { ListedDrawings, SUM } from "../../test/support/puzzle-drawings.ts";
import type { SaleId, SessionId } from "../domain/ids.ts";
import type { PuzzleAnswer, PuzzleRequest } from "../ports/challenge.ts";
import { ArithmeticChallenge } from "./arithmetic.ts";
import type { LockedWords } from "./locked-words.ts";

const KEYS = { current: Buffer.alloc(32, 3), previous: null };
const REQUEST: PuzzleRequest = {
  saleId: "drop" as SaleId,
  sessionId: "session" as SessionId,
  seed: "abcdefghijklmnopqrstuA",
  difficulty: 6,
  nowMs: 1_800_000_000_000,
  expiresAt: 1_800_000_120_000,
};

function mint(request: PuzzleRequest = REQUEST, drawings = new ListedDrawings()) {
  const kind = new ArithmeticChallenge({ drawings, keys: KEYS });
  const puzzle = kind.mint(request);
  if (puzzle === null) throw new Error("no puzzle");
  const answer = (solution: string): PuzzleAnswer => ({ ...request, token: "", sealed: puzzle.sealed, solution });
  return { kind, puzzle, answer, drawings };
}

/** Tries every number below 2^bits, as a page has to. */
function unlock(seed: string, { text, check, bits }: LockedWords): { words: string; tries: number } {
  for (let tries = 0; tries < 2 ** bits; tries += 1) {
    const found = `${seed}.${tries}`;
    if (!hash("sha256", found, "hex").startsWith(check)) continue;
    const bytes = Buffer.from(text, "base64url");
    const stream = Buffer.concat([0, 1, 2, 3].map((block) => hash("sha256", `${found}.${block}`, "buffer")));
    return {
      words: bytes
        .map((byte, at) => byte ^ (stream[at] ?? 0))
        .toString("utf8")
        .replace(/^\0+/, ""),
      tries,
    };
  }
  throw new Error("no number opens the words");
}

describe("arithmetic", () => {
  test("takes the right result and nothing else", () => {
    const { kind, answer } = mint();
    expect(kind.verify(answer(String(SUM.answer)))).toBe("solved");
    for (const wrong of ["51", "053", "+52", "052", " 52", "52 ", "5.2e1", "0x34", "", "520", "５２"]) {
      expect([wrong, kind.verify(answer(wrong))]).toEqual([wrong, "wrong"]);
    }
  });

  test("never says the result: not in its parameters, and not in a sealed answer that another session could open", () => {
    const { kind, puzzle, answer } = mint();
    expect(JSON.stringify(puzzle.parameters)).not.toContain("answer");
    expect(JSON.stringify(puzzle.parameters)).not.toContain("thirty");
    const elsewhere = { ...answer("52"), sessionId: "other" as SessionId };
    expect(kind.verify(elsewhere)).toBe("unavailable");
    expect(kind.verify({ ...answer("52"), sealed: null })).toBe("unavailable");
  });

  test("sends its words along, for whoever computes as much as a proof of work of that difficulty takes", () => {
    let tries = 0;
    const seeds = Array.from({ length: 60 }, (_, index) => `seed-${String(index).padStart(17, "0")}`);
    for (const seed of seeds) {
      const { puzzle } = mint({ ...REQUEST, seed });
      const opened = unlock(seed, puzzle.parameters["words"] as unknown as LockedWords);
      expect(opened.words).toBe(SUM.words);
      tries += opened.tries;
    }
    const proofOfWorkTries = 16 * 2 ** REQUEST.difficulty;
    expect(tries / seeds.length).toBeGreaterThan(proofOfWorkTries * 0.75);
    expect(tries / seeds.length).toBeLessThan(proofOfWorkTries * 1.25);
  });

  test("asks for harder drawings where more is demanded, and for none of its own when none is ready", () => {
    const drawings = new ListedDrawings();
    mint({ ...REQUEST, difficulty: 14 }, drawings);
    mint({ ...REQUEST, difficulty: 16 }, drawings);
    expect(drawings.levels).toEqual(["plain", "hard"]);
    drawings.isEmpty = true;
    expect(new ArithmeticChallenge({ drawings, keys: KEYS }).mint(REQUEST)).toBeNull();
  });
});
