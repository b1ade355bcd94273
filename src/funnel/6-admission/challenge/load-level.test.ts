/**
 * The level rises with the crowd and stays for half a minute after it.
 */
import { describe, expect, test } from "bun:test";
import { LEVEL_DWELL_MS, LEVEL_MAX, LoadLevel } from "./load-level.ts";

const ORDINARY_PER_S = 40;

/** `perS` attempts a second for `forMs`; answers the last level and the time. */
function crowd(
  load: LoadLevel,
  from: { nowMs: number; perS: number; forMs: number },
): { level: number; nowMs: number } {
  const stepMs = 1_000 / from.perS;
  let level = 0;
  let { nowMs } = from;
  for (; nowMs < from.nowMs + from.forMs; nowMs += stepMs) level = load.note({ nowMs, fullness: 0 });
  return { level, nowMs };
}

describe("load level", () => {
  test("is 0 at the ordinary rate, and one more for each doubling beyond it", () => {
    const levelAt = (perS: number) =>
      crowd(new LoadLevel({ ordinaryPerS: ORDINARY_PER_S }), { nowMs: 0, perS, forMs: 2_000 }).level;
    expect(levelAt(ORDINARY_PER_S / 2)).toBe(0);
    expect(levelAt(ORDINARY_PER_S - 1)).toBe(0);
    expect(levelAt(ORDINARY_PER_S * 1.5)).toBe(1);
    expect(levelAt(ORDINARY_PER_S * 3)).toBe(2);
    expect(levelAt(ORDINARY_PER_S * 6)).toBe(3);
    expect(levelAt(ORDINARY_PER_S * 10_000)).toBe(LEVEL_MAX);
  });

  test("rises within the window in which the crowd comes", () => {
    const load = new LoadLevel({ ordinaryPerS: ORDINARY_PER_S });
    expect(load.note({ nowMs: 0, fullness: 0 })).toBe(0);
    let level = 0;
    for (let attempt = 0; attempt < 30; attempt += 1) level = load.note({ nowMs: 10, fullness: 0 });
    expect(level).toBeGreaterThanOrEqual(2);
  });

  test("follows the way to the ledger as it fills", () => {
    const levels = [0, 0.49, 0.5, 0.7, 0.85, 0.95, 2].map((fullness) =>
      new LoadLevel({ ordinaryPerS: ORDINARY_PER_S }).note({ nowMs: 0, fullness }),
    );
    expect(levels).toEqual([0, 0, 1, 2, 3, 4, 4]);
  });

  test("stays for half a minute after it was last reached, then falls to what was seen meanwhile", () => {
    const load = new LoadLevel({ ordinaryPerS: ORDINARY_PER_S });
    expect(load.note({ nowMs: 0, fullness: 0.9 })).toBe(3);
    expect(load.note({ nowMs: 10_000, fullness: 0.6 })).toBe(3);
    expect(load.note({ nowMs: LEVEL_DWELL_MS - 1, fullness: 0 })).toBe(3);
    expect(load.note({ nowMs: LEVEL_DWELL_MS, fullness: 0 })).toBe(1);
    expect(load.note({ nowMs: 2 * LEVEL_DWELL_MS - 1, fullness: 0 })).toBe(1);
    expect(load.read({ nowMs: 2 * LEVEL_DWELL_MS, fullness: 0 })).toBe(0);
  });

  test("does not flap: a crowd that comes every ten seconds keeps it up", () => {
    const load = new LoadLevel({ ordinaryPerS: ORDINARY_PER_S });
    for (let round = 0; round < 10; round += 1) {
      expect(load.note({ nowMs: round * 10_000, fullness: 0.9 })).toBe(3);
      expect(load.note({ nowMs: round * 10_000 + 5_000, fullness: 0 })).toBe(3);
    }
  });
});
