/**
 * What is given up first is given up first, little by little, and what was paid for last of all.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { Ladder, PRIORITIES, type Priority, STEPS } from "./ladder.ts";

function setting() {
  const clock = new ManualClock();
  const loopDelay = { delayMs: 0 };
  const looks = { count: 0, used: 0 };
  const memory = {
    usedFraction: () => {
      looks.count += 1;
      return looks.used;
    },
  };
  const ladder = new Ladder({ loopDelay, memory, clock });
  const refusedOf = (priority: Priority, requests = 1_000) => {
    let refused = 0;
    for (let request = 0; request < requests; request += 1) if (ladder.refuses(priority)) refused += 1;
    return refused / requests;
  };
  return { clock, loopDelay, looks, ladder, refusedOf };
}

describe("ladder", () => {
  test("refuses nobody while the loop is in time and memory is free", () => {
    const { refusedOf } = setting();
    expect(PRIORITIES.map((priority) => refusedOf(priority))).toEqual([0, 0, 0, 0, 0]);
  });

  test.each(["delayMs", "memory"] as const)(
    "gives up by %s in the order of the classes, the last one first",
    (sign) => {
      const bounds = PRIORITIES.map((priority) => STEPS[priority][sign]);
      for (const [index, { from, to }] of bounds.entries()) {
        expect(from).toBeLessThan(to);
        const better = bounds[index + 1];
        if (better === undefined) continue;
        expect(better.from).toBeLessThan(from);
        expect(better.to).toBeLessThan(to);
      }
    },
  );

  test.each(["delayMs", "memory"] as const)(
    "takes by %s no attempt away while pages are served, nothing of confirm while attempts are taken, nothing of pay before that",
    (sign) => {
      expect(STEPS.reserve[sign].from).toBeGreaterThanOrEqual(STEPS.browse[sign].to);
      expect(STEPS.confirm[sign].from).toBeGreaterThanOrEqual(STEPS.reserve[sign].to);
      expect(STEPS.pay[sign].from).toBeGreaterThanOrEqual(STEPS.confirm[sign].to);
    },
  );

  test("follows the event loop's delay from nothing to everything, and back", () => {
    const { loopDelay, refusedOf } = setting();
    const { from, to } = STEPS.reserve.delayMs;
    const seen = [from, from + (to - from) / 4, (from + to) / 2, to, to * 2, from].map((delayMs) => {
      loopDelay.delayMs = delayMs;
      return refusedOf("reserve");
    });
    expect(seen).toEqual([0, 0.25, 0.5, 1, 1, 0]);
  });

  test("spreads what it refuses evenly: never two in a row at half", () => {
    const { loopDelay, ladder } = setting();
    const { from, to } = STEPS.browse.delayMs;
    loopDelay.delayMs = (from + to) / 2;
    const asked = Array.from({ length: 10 }, () => ladder.refuses("browse"));
    expect(asked.filter(Boolean).length).toBe(5);
    expect(asked.some((refused, index) => refused && asked[index + 1])).toBe(false);
  });

  test("lets pay and confirm through while attempts are refused altogether", () => {
    const { loopDelay, refusedOf } = setting();
    loopDelay.delayMs = STEPS.reserve.delayMs.to;
    expect([refusedOf("pay"), refusedOf("confirm"), refusedOf("reserve"), refusedOf("browse")]).toEqual([0, 0, 1, 1]);
  });

  test("refuses by memory as well, and looks at it twice a second at most", async () => {
    const { clock, looks, refusedOf } = setting();
    looks.used = 0.99;
    expect(refusedOf("pay")).toBe(1);
    looks.used = 0;
    expect(refusedOf("browse", 10_000)).toBe(1);
    expect(looks.count).toBe(1);
    await clock.advance(500);
    expect(refusedOf("browse")).toBe(0);
    expect(looks.count).toBe(2);
  });
});
