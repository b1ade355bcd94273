import { describe, expect, test } from "bun:test";
import { LockedWords as LockedWordsTask } from "../../client/locked-words.ts";
import { ListedDrawings, SUM } from "../../test/support/puzzle-drawings.ts";
import type { SaleId, SessionId } from "../domain/ids.ts";
import { type PuzzleAnswer, type PuzzleRequest, STAND_IN_BITS } from "../ports/challenge.ts";
import { ArithmeticChallenge } from "./arithmetic.ts";
import type { LockedWords } from "./locked-words.ts";
import { PICTURES_AT_ONCE, PictureAllowance } from "./picture-allowance.ts";
import { SlideChallenge } from "./slide.ts";

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
  const kind = new ArithmeticChallenge({ drawings, allowance: new PictureAllowance(), keys: KEYS });
  const puzzle = kind.mint(request);
  if (puzzle === null) throw new Error("no puzzle");
  const answer = (solution: string): PuzzleAnswer => ({ ...request, token: "", sealed: puzzle.sealed, solution });
  return { kind, puzzle, answer, drawings };
}

/** Tries one number after the other, as a page has to. */
function unlock(seed: string, locked: LockedWords): { words: string; tries: number } {
  const task = new LockedWordsTask({ seed, ...locked });
  for (let tries = 1; ; tries += 1) {
    const words = task.work(1);
    if (words !== null) return { words, tries };
  }
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

  test("sends its words along, for whoever computes as much as a proof of work in its place takes", () => {
    let tries = 0;
    const seeds = Array.from({ length: 60 }, (_, index) => `seed-${String(index).padStart(17, "0")}`);
    for (const seed of seeds) {
      const { puzzle } = mint({ ...REQUEST, seed });
      const opened = unlock(seed, puzzle.parameters["words"] as unknown as LockedWords);
      expect(opened.words).toBe(SUM.words);
      tries += opened.tries;
    }
    const proofOfWorkTries = 16 * 2 ** (REQUEST.difficulty + STAND_IN_BITS);
    expect(tries / seeds.length).toBeGreaterThan(proofOfWorkTries * 0.75);
    expect(tries / seeds.length).toBeLessThan(proofOfWorkTries * 1.25);
  });

  test("asks for harder drawings where more is demanded, and for none of its own when none is ready", () => {
    const drawings = new ListedDrawings();
    mint({ ...REQUEST, difficulty: 14 }, drawings);
    mint({ ...REQUEST, difficulty: 16 }, drawings);
    expect(drawings.levels).toEqual(["plain", "hard"]);
    drawings.isEmpty = true;
    expect(
      new ArithmeticChallenge({ drawings, allowance: new PictureAllowance(), keys: KEYS }).mint(REQUEST),
    ).toBeNull();
  });

  test("shares a session's allowance of pictures with the other kinds, and counts none that was not to be had", () => {
    const parts = { drawings: new ListedDrawings(), allowance: new PictureAllowance(), keys: KEYS };
    const kinds = [new ArithmeticChallenge(parts), new SlideChallenge(parts)] as const;
    parts.drawings.isEmpty = true;
    for (let asked = 0; asked < 100; asked += 1) expect(kinds[0].mint(REQUEST)).toBeNull();
    parts.drawings.isEmpty = false;
    for (let taken = 0; taken < PICTURES_AT_ONCE; taken += 1) expect(kinds[taken % 2]?.mint(REQUEST)).not.toBeNull();
    for (const kind of kinds) {
      expect(kind.mint(REQUEST)).toBeNull();
      expect(kind.mint({ ...REQUEST, sessionId: "other" as SessionId })).not.toBeNull();
    }
  });
});
