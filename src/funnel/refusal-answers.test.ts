/**
 * Advice is spread so that a crowd does not come back in step; a wait that was computed is told exactly.
 */
import { describe, expect, test } from "bun:test";
import { REFUSALS, type RefusalReason } from "../domain/refusals.ts";
import {
  answerRefusal,
  fewerLeftRefusal,
  plainRefusal,
  prepareSpreadRefusal,
  refusalWithWait,
} from "./refusal-answers.ts";

const waitsOf = (answers: readonly { body: string }[]) =>
  answers.map(({ body }) => (JSON.parse(body) as { retryAfterMs: number }).retryAfterMs);
const ADVISED = (Object.keys(REFUSALS) as RefusalReason[]).filter((reason) => "retryAfterMs" in REFUSALS[reason]);

describe("answers to refusals", () => {
  test.each(ADVISED)(
    "spread the advice of %s by half in both directions, and never twice the same in a row",
    (reason) => {
      const row = REFUSALS[reason];
      const adviceMs = "retryAfterMs" in row ? row.retryAfterMs : 0;
      const waits = waitsOf(Array.from({ length: 160 }, () => answerRefusal(plainRefusal(reason))));
      expect(new Set(waits).size).toBe(16);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(adviceMs * 0.5);
      expect(Math.max(...waits)).toBeLessThanOrEqual(adviceMs * 1.5);
      const meanMs = waits.reduce((sum, waitMs) => sum + waitMs, 0) / waits.length;
      expect(Math.abs(meanMs - adviceMs)).toBeLessThan(adviceMs * 0.01);
      for (const [index, waitMs] of waits.entries()) expect(waitMs).not.toBe(waits[index + 1] as number);
    },
  );

  test("spread advice of a refusal that was not prepared as well", () => {
    const waits = waitsOf(Array.from({ length: 32 }, () => answerRefusal({ reason: "busy" })));
    expect(new Set(waits).size).toBe(16);
  });

  test("tell whoever asked for too many how many there were, and do not say that all are taken", () => {
    for (const left of [1, 2, 32, 33, 100_000]) {
      const answer = answerRefusal(fewerLeftRefusal(left));
      expect(answer.status).toBe(409);
      const document = JSON.parse(answer.body);
      expect(document).toMatchObject({ reason: "empty", stage: "reserve", left });
      expect(document.detail).toContain(`${left}`);
      expect(document.title).not.toContain("All taken");
    }
    expect(fewerLeftRefusal(2)).toBe(fewerLeftRefusal(2));
  });

  test("tell a computed wait exactly, and the header in whole seconds rounded up", () => {
    const throttled = Array.from({ length: 32 }, () => answerRefusal(refusalWithWait("throttled", 1_150)));
    expect(new Set(waitsOf(throttled))).toEqual(new Set([1_150]));
    expect(throttled[0]?.headers["retry-after"]).toBe("2");
    const waits = waitsOf(
      Array.from({ length: 32 }, () => answerRefusal({ reason: "unavailable", retryAfterMs: 500 })),
    );
    expect(new Set(waits)).toEqual(new Set([500]));
  });

  test("spread what is said to be advice around it, header and document alike", () => {
    const refusal = prepareSpreadRefusal({ reason: "busy", retryAfterMs: 4_000 });
    for (let round = 0; round < 16; round += 1) {
      const answer = answerRefusal(refusal);
      const [waitMs = 0] = waitsOf([answer]);
      expect(waitMs).toBeGreaterThanOrEqual(2_000);
      expect(waitMs).toBeLessThanOrEqual(6_000);
      expect(answer.headers["retry-after"]).toBe(String(Math.ceil(waitMs / 1_000)));
    }
  });
});
