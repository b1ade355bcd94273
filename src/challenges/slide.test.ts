import { describe, expect, test } from "bun:test";
import { GAP, ListedDrawings } from "../../test/support/puzzle-drawings.ts";
import type { SaleId, SessionId } from "../domain/ids.ts";
import type { PuzzleRequest, PuzzleVerdict } from "../ports/challenge.ts";
import { PictureAllowance } from "./picture-allowance.ts";
import { SlideChallenge, TOLERANCE_PX } from "./slide.ts";

const REQUEST: PuzzleRequest = {
  saleId: "drop" as SaleId,
  sessionId: "session" as SessionId,
  seed: "abcdefghijklmnopqrstuA",
  difficulty: 14,
  nowMs: 1_800_000_000_000,
  expiresAt: 1_800_000_120_000,
};

const keysOf = (byte: number) => ({ current: Buffer.alloc(32, byte), previous: null });

/** A way as a mouse makes it: slow, fast, slow, with the jitter of a hand. */
function handMade(endPx: number, durationMs = 900): string {
  const parts = [0, 0.02, 0.09, 0.25, 0.48, 0.71, 0.88, 0.97, 1.01, 1];
  const times = [0, 0.07, 0.19, 0.3, 0.42, 0.51, 0.66, 0.78, 0.93, 1];
  return parts.map((part, at) => `${Math.round((times[at] ?? 0) * durationMs)},${Math.round(part * endPx)}`).join(";");
}

function judge(solution: string, options: { afterMs?: number; difficulty?: number } = {}): PuzzleVerdict {
  const request = { ...REQUEST, difficulty: options.difficulty ?? REQUEST.difficulty };
  const kind = new SlideChallenge({
    drawings: new ListedDrawings(),
    allowance: new PictureAllowance(),
    keys: keysOf(3),
  });
  const puzzle = kind.mint(request);
  if (puzzle === null) throw new Error("no puzzle");
  const nowMs = request.nowMs + (options.afterMs ?? 4_000);
  return kind.verify({ ...request, nowMs, token: "", sealed: puzzle.sealed, solution });
}

describe("slide", () => {
  test("takes a place within the tolerance and none beyond it, and is stricter where more is demanded", () => {
    for (const [difficulty, tolerancePx] of [
      [14, TOLERANCE_PX.plain],
      [16, TOLERANCE_PX.hard],
    ] as const) {
      for (const side of [-1, 1]) {
        const nearest = GAP.answerPx + side * tolerancePx;
        expect(judge(handMade(nearest), { difficulty })).toBe("solved");
        expect(judge(handMade(nearest + side), { difficulty })).toBe("wrong");
      }
    }
  });

  test("takes the ways of a mouse, of the arrow keys, and of a click with corrections", () => {
    expect(judge(handMade(GAP.answerPx))).toBe("solved");
    const keys = ["0,0"];
    for (let step = 1; step <= 18; step += 1) keys.push(`${step * 33 + (step % 3)},${step * 10}`);
    expect(judge(keys.join(";"))).toBe("solved");
    expect(judge("0,0;12,176;420,177;510,178;634,179;790,180")).toBe("solved");
  });

  test("takes no way that no hand makes, though it ends at the place", () => {
    const even = Array.from({ length: 19 }, (_, step) => `${step * 30},${step * 10}`).join(";");
    const ways: Record<string, string> = {
      "the place alone": "0,180",
      "a text that does not end": "0,0;350,60;451,61;900,180;",
      "a jump to the place at the end": "0,0;300,1;500,2;900,180",
      "in no time": handMade(GAP.answerPx, 250),
      "a loop's even steps": even,
      "time that stands still": "0,0;200,40;200,90;700,180",
      "time that runs back": "0,0;300,40;200,90;700,180",
      "from elsewhere": "0,90;200,120;400,150;700,180",
      "beyond bounds": "0,0;200,1200;400,150;700,180",
      "numbers with two spellings": "0,0;0200,40;400,150;700,180",
    };
    for (const [name, way] of Object.entries(ways)) expect([name, judge(way)]).toEqual([name, "wrong"]);
  });

  test("takes no way that took longer than the puzzle is old, and none that comes at once", () => {
    expect(judge(handMade(GAP.answerPx, 3_000), { afterMs: 3_000 })).toBe("solved");
    expect(judge(handMade(GAP.answerPx, 3_000), { afterMs: 2_000 })).toBe("wrong");
    expect(judge(handMade(GAP.answerPx, 400), { afterMs: 200 })).toBe("wrong");
  });

  test("tells the page everything but the place", () => {
    const kind = new SlideChallenge({
      drawings: new ListedDrawings(),
      allowance: new PictureAllowance(),
      keys: keysOf(3),
    });
    const parameters = kind.mint(REQUEST)?.parameters ?? {};
    expect(Object.keys(parameters).sort()).toEqual(["heightPx", "image", "piece", "piecePx", "pieceTopPx", "widthPx"]);
    expect(Object.values(parameters)).not.toContain(GAP.answerPx);
  });

  test("cannot judge what was sealed under another secret, and counts no try for it", () => {
    const drawings = new ListedDrawings();
    const before = new SlideChallenge({ drawings, allowance: new PictureAllowance(), keys: keysOf(1) }).mint(REQUEST);
    const after = new SlideChallenge({ drawings, allowance: new PictureAllowance(), keys: keysOf(2) });
    const answer = { ...REQUEST, token: "", sealed: before?.sealed ?? null, solution: handMade(GAP.answerPx) };
    expect(after.verify(answer)).toBe("unavailable");
  });
});
