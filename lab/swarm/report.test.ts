/**
 * The report counts everything once, and its verdict says what was proved or which promise was broken.
 */
import { describe, expect, test } from "bun:test";
import type { Evidence } from "./judge.ts";
import { decisionRates, formatReport, type RunResult, table, verdict } from "./report.ts";
import { sumTallies, Tally } from "./tally.ts";

function evidenceOf(units: { sold: number; held: number; free: number }): Evidence {
  return {
    opensAtMs: 0,
    readAtMs: 0,
    items: [{ sku: "seat", stock: 1_000, perBuyerMax: 2 }],
    observations: [],
    orders: [],
    audit: { balanced: true, items: [{ sku: "seat", total: 1_000, granted: 0, ...units }], violations: [] },
    internalErrorCount: 0,
    hasty: { answeredCount: 0, throttledCount: 0 },
  };
}

function resultOf(changes: Partial<RunResult> = {}): RunResult {
  const tally = new Tally();
  const answer = { population: "normal" as const, latencyMs: 12, isFirst: true, sinceOpeningMs: 100 };
  for (let count = 0; count < 3; count++) tally.answer({ ...answer, stage: "sold-out", reason: "empty" });
  tally.answer({ ...answer, stage: "reserve", reason: "accepted", sinceOpeningMs: 1_500 });
  tally.noAnswer("retrier", "dropped");
  return {
    buyerCount: 12_345,
    evidence: evidenceOf({ sold: 1_000, held: 0, free: 0 }),
    findings: [],
    tally: sumTallies([tally.snapshot(), tally.snapshot()]),
    durationMs: 61_000,
    residentBytesPeak: 0,
    lagMsMax: 3,
    ...changes,
  };
}

describe("the verdict", () => {
  test("of a sale sold to the last unit says so in one sentence", () => {
    expect(verdict(resultOf())).toBe(
      "VERDICT: correct: 1,000 of 1,000 units sold to a crowd of 12,345, not one more, not one left; every answer matches the orders in the database, and no forger got through.",
    );
  });

  test("of a sale with units left says that they are accounted for", () => {
    const left = resultOf({ evidence: evidenceOf({ sold: 900, held: 40, free: 60 }) });
    expect(verdict(left)).toContain("900 of 1,000 units sold to a crowd of 12,345, the other 100 accounted for");
  });

  test("names every promise that was broken, with examples above it", () => {
    const findings = [
      { rule: "limit_kept" as const, count: 7, examples: ["seat buyer-1: 3 units"] },
      { rule: "no_forged_order" as const, count: 1, examples: ["rid-1 by other_key"] },
    ];
    const report = formatReport(resultOf({ findings }));
    expect(report).toContain("BROKEN limit_kept (7): seat buyer-1: 3 units");
    expect(report).toContain(
      "VERDICT: NOT correct: it does not hold that no buyer holds more than the limit; no order came from a forged request.",
    );
  });
});

describe("the tables", () => {
  test("count every answer of every process once, by stage in the order of the funnel", () => {
    const report = formatReport(resultOf());
    expect(report).toMatch(/sold-out +empty +6 +60\.0 %/);
    expect(report).toMatch(/reserve +accepted +2 +20\.0 %/);
    expect(report).toMatch(/no answer +dropped +2 +20\.0 %/);
    expect(report).toMatch(/all +10 +100\.0 %/);
    expect(report.indexOf("sold-out")).toBeLessThan(report.indexOf("reserve "));
  });

  test("call what Redis has of the stock granted, and put a dash among numbers to the right like them", () => {
    expect(formatReport(resultOf())).toMatch(/item +stock +sold +held +granted +free\n/);
    expect(
      table(
        ["what", "ms"],
        [
          ["a", "1,000"],
          ["b", "–"],
        ],
      )
        .split("\n")
        .at(-1),
    ).toBe("b         –");
  });

  test("rate decisions by the best second and by the seconds of the rush", () => {
    expect(decisionRates([100, 300, 400, 10, 0])).toEqual({ best: 400, rushMean: (100 + 300 + 400) / 3 });
    expect(decisionRates([])).toEqual({ best: 0, rushMean: 0 });
  });
});
