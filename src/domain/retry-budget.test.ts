/**
 * However often things fail, what is sent again is a bounded share of what is sent.
 */
import { describe, expect, test } from "bun:test";
import { RetryBudget } from "./retry-budget.ts";

const LIMITS = { perTry: 0.1, perS: 0.5, savedMax: 10 };

describe("retry budget", () => {
  test("holds retries to a tenth of many first tries, beside what was saved", () => {
    const budget = new RetryBudget({ ...LIMITS, perS: 0 });
    let retries = 0;
    for (let call = 0; call < 10_000; call += 1) {
      budget.earn();
      for (let again = 0; again < 3; again += 1) if (budget.spend(0)) retries += 1;
    }
    expect(retries).toBeGreaterThan(990);
    expect(retries).toBeLessThanOrEqual(1_010);
  });

  test("lets somebody who sends little ask again at the pace of the trickle", () => {
    const budget = new RetryBudget(LIMITS);
    for (let retry = 0; retry < 10; retry += 1) expect(budget.spend(0)).toBe(true);
    expect(budget.spend(0)).toBe(false);
    expect(budget.waitMs(0)).toBe(2_000);
    expect(budget.spend(1_999)).toBe(false);
    expect(budget.waitMs(1_999)).toBe(1);
    expect(budget.spend(2_000)).toBe(true);
  });

  test("saves no more than its bound, however long nothing happens", () => {
    const budget = new RetryBudget(LIMITS);
    budget.spend(0);
    for (let call = 0; call < 1_000; call += 1) budget.earn();
    let retries = 0;
    while (budget.spend(86_400_000)) retries += 1;
    expect(retries).toBe(10);
  });

  test("those who wait for a retry get one each, in turn", () => {
    const budget = new RetryBudget({ ...LIMITS, savedMax: 1 });
    const waits = Array.from({ length: 4 }, () => {
      const waitMs = budget.waitMs(0);
      budget.book(0);
      return waitMs;
    });
    expect(waits).toEqual([0, 2_000, 4_000, 6_000]);
    expect(budget.waitMs(6_000)).toBe(2_000);
  });

  test("says that waiting does not help when nothing trickles", () => {
    const budget = new RetryBudget({ perTry: 0.1, perS: 0, savedMax: 1 });
    expect(budget.waitMs(0)).toBe(0);
    budget.spend(0);
    expect(budget.waitMs(1_000_000)).toBe(Number.POSITIVE_INFINITY);
  });
});
