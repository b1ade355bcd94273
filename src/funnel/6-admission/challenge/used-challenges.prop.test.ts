/**
 * A challenge counts once, whatever happens to others meanwhile, and a full table lets nobody through.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KeyedHash } from "../../keyed-hash.ts";
import { UsedChallenges } from "./used-challenges.ts";

const NOW_MS = 1_800_000_000_000;
const EXPIRES_AT = NOW_MS + 120_000;
const TRIES_MAX = 3;

function table(entriesMax?: number): UsedChallenges {
  return new UsedChallenges({
    hash: new KeyedHash({ word0: 7, word1: 11 }),
    ...(entriesMax === undefined ? {} : { entriesMax }),
  });
}

function slotOf(taken: ReturnType<UsedChallenges["take"]>): number {
  if (typeof taken !== "number") throw new Error(`not taken: ${taken}`);
  return taken;
}

type Step = { readonly seed: number; readonly what: "solve" | "fail" | "release" | "peek"; readonly purpose: string };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    seed: fc.nat({ max: 12 }),
    what: fc.constantFrom("solve", "fail", "release", "peek"),
    purpose: fc.constantFrom("", "key-1", "key-2"),
  }),
  { maxLength: 60 },
);

describe("used challenges", () => {
  test("agree with a plain list of what was solved and tried", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const used = table(1_024);
        const known = new Map<number, { tries: number; solvedFor: string | null }>();
        for (const { seed, what, purpose } of all) {
          const entry = known.get(seed) ?? { tries: 0, solvedFor: null };
          known.set(seed, entry);
          const taken = used.take({ seed: `seed-${seed}`, purpose, expiresAt: EXPIRES_AT, nowMs: NOW_MS });
          if (entry.solvedFor !== null) {
            expect(taken).toBe(purpose !== "" && entry.solvedFor === purpose ? "again" : "used");
          } else if (entry.tries >= TRIES_MAX) {
            expect(taken).toBe("used");
          } else {
            const slot = slotOf(taken);
            const second = used.take({ seed: `seed-${seed}`, purpose, expiresAt: EXPIRES_AT, nowMs: NOW_MS });
            expect(second).toBe("used");
            if (what === "solve") {
              used.spend(slot, purpose);
              entry.solvedFor = purpose;
            } else if (what === "fail") {
              used.fault(slot, TRIES_MAX);
              entry.tries += 1;
            } else {
              used.release(slot);
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("take none when every slot holds one that may not be forgotten, and again once those expired", () => {
    const used = table(64);
    for (let seed = 0; seed < 64; seed += 1) {
      slotOf(used.take({ seed: `seed-${seed}`, purpose: "", expiresAt: EXPIRES_AT, nowMs: NOW_MS }));
    }
    expect(used.take({ seed: "one more", purpose: "", expiresAt: EXPIRES_AT, nowMs: NOW_MS })).toBe("full");
    const laterMs = EXPIRES_AT + 61_000;
    const again = { seed: "one more", purpose: "", expiresAt: laterMs + 1_000 };
    expect(slotOf(used.take({ ...again, nowMs: laterMs }))).toBeGreaterThanOrEqual(0);
  });

  test("are remembered until the challenge itself has expired, and nothing of them is left in their slot", () => {
    const used = table(1);
    const slot = slotOf(used.take({ seed: "a", purpose: "key-1", expiresAt: EXPIRES_AT, nowMs: NOW_MS }));
    used.spend(slot, "key-1");
    const last = { purpose: "key-1", expiresAt: EXPIRES_AT, nowMs: EXPIRES_AT - 1 };
    expect(used.take({ seed: "a", ...last })).toBe("again");
    expect(used.take({ seed: "b", ...last })).toBe("full");
    const laterMs = EXPIRES_AT + 61_000;
    const fresh = { seed: "b", purpose: "key-1", expiresAt: laterMs + 1_000, nowMs: laterMs };
    used.fault(slotOf(used.take(fresh)), TRIES_MAX);
    expect(slotOf(used.take(fresh))).toBe(slot);
  });
});
