/**
 * Only open outcomes are asked again, never sooner than the server said.
 */
import { describe, expect, test } from "bun:test";
import { REFUSALS } from "../src/domain/refusals.ts";
import type { Problem } from "./contract.ts";
import { isWorthRetrying, waitBeforeRetryMs } from "./retry.ts";

function problem(reason: string, status = 503, retryAfterMs?: number): Problem {
  return { type: "t", title: "t", status, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

describe("retry", () => {
  test("repeats exactly the refusals that say later or leave the outcome open, except what a page must explain", () => {
    const explained = new Set(["not_open", "paused", "empty"]);
    for (const [reason, row] of Object.entries(REFUSALS)) {
      const expected = row.retry !== "never" && !explained.has(reason);
      expect([reason, isWorthRetrying(problem(reason, row.status))]).toEqual([reason, expected]);
    }
  });

  test("repeats what a proxy says in the server's stead only when it is a 5xx", () => {
    expect(isWorthRetrying(problem("unreadable", 502))).toBe(true);
    expect(isWorthRetrying(problem("unreadable", 404))).toBe(false);
  });

  test("never comes back sooner than asked, nor more than half as long again later", () => {
    for (const random of [0, 0.5, 0.999]) {
      const waitMs = waitBeforeRetryMs({ attempt: 1, problem: problem("busy", 503, 1_000), random });
      expect(waitMs).toBeGreaterThanOrEqual(1_000);
      expect(waitMs).toBeLessThanOrEqual(1_500);
    }
  });

  test("without advice waits ever longer, up to a bound, and never in step with others", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 20].map((attempt) =>
      waitBeforeRetryMs({ attempt, problem: null, random: 0.5 }),
    );
    for (let index = 1; index < 6; index += 1) expect(waits[index]).toBeGreaterThan(waits[index - 1] ?? 0);
    expect(Math.max(...waits)).toBeLessThanOrEqual(8_000);
    const spread = [0, 0.9].map((random) => waitBeforeRetryMs({ attempt: 3, problem: null, random }));
    expect(spread[0]).not.toBe(spread[1] as number);
  });
});
