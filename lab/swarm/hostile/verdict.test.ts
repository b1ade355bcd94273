/**
 * What a mixed run is judged by: shares that a person can add up, and no way to pass without proving anything.
 */
import { describe, expect, test } from "bun:test";
import { hear } from "./answer-book.ts";
import { unitsBy } from "./mixed-run.ts";
import { addressOf, FLOODS, mixtureFor, POPULATION_NAMES, SCALPERS } from "./populations.ts";
import { type MixedFigures, problemsOf, renderMixed, sharesOf } from "./verdict.ts";

function figures(overrides: Partial<MixedFigures> = {}): MixedFigures {
  return {
    honestCount: 1_000,
    stock: 200,
    counts: { "honest|served|ok": 900, "honest|units|accepted": 100, "forger|identity|session_invalid": 9_000 },
    surprises: [],
    hostileOldAccounts: 20,
    ends: { won: 190, "nothing left": 805, "refused: not_eligible": 5 },
    latenessMs: { honest: 3, scalpers: 150 },
    units: { honest: 190, account_farm: 6, hold_cartel: 4 },
    audit: { balanced: true, items: [], violations: [] },
    ...overrides,
  };
}

describe("the verdict", () => {
  test("holds at the targets themselves", () => {
    const shares = sharesOf(figures());
    expect(shares.hostileTraffic).toBeCloseTo(0.9);
    expect(shares).toMatchObject({ hostileUnits: 0.05, honestUnits: 0.95, falseRefusals: 0.005 });
    expect(problemsOf(figures())).toEqual([]);
    expect(renderMixed(figures())).toContain("VERDICT: the gate held.");
  });

  test.each<[string, Partial<MixedFigures>, RegExp]>([
    ["one unit more with the hostile", { units: { honest: 189, account_farm: 11 } }, /hold 5.50 % of the units/],
    ["units with somebody whom nobody played", { units: { honest: 189, nobody: 11 } }, /hold 5.50 %/],
    ["one honest buyer more refused", { ends: { won: 994, "refused: banned": 6 } }, /0.60 % of the honest/],
    [
      "too few hostile requests",
      { counts: { "honest|served|ok": 11, "forger|shed|busy": 89 } },
      /89.00 % .*proves nothing/,
    ],
    ["a story that was not told", { ends: { won: 999 } }, /999 of 1000 honest stories/],
    ["scalpers as slow as people", { latenessMs: { honest: 0, scalpers: 151 } }, /151 ms late/],
    ["more units than there are", { units: { honest: 201 } }, /201 units .* of 200/],
    ["an answer that nothing explains", { surprises: ["GET /v1/sales: 500 "] }, /nothing explains: GET/],
    ["books that do not balance", { audit: { balanced: false, items: [], violations: [] } }, /does not balance/],
  ])("says so and fails: %s", (_, overrides, problem) => {
    const problems = problemsOf(figures(overrides));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(renderMixed(figures(overrides))).toContain("VERDICT: missed.");
  });
});

test("units belong to whose order has not ended", () => {
  const order = (buyerId: string, status: string) => ({
    rid: "r",
    sku: "u",
    quantity: 1,
    holdUntil: 0,
    buyerId,
    status,
  });
  const orders = [order("h", "paid"), order("f", "held"), order("f", "expired"), order("x", "expiring")];
  expect(unitsBy(orders, { honest: ["h"], account_farm: ["f"] })).toEqual({ honest: 1, account_farm: 1, nobody: 1 });
});

test("an answer belongs to the layer that gave it; the same unit again is no other unit", () => {
  const answer = (status: number, body: string, head = "") =>
    ({ kind: "answer", answer: { status, head: `http/1.1 ${status}\r\n${head}`, body, closes: false } }) as const;
  const refusal = '{"stage":"throttle","reason":"throttled","retryAfterMs":250}';
  expect(hear(answer(429, refusal), true)).toMatchObject({ layer: "throttle", reason: "throttled", retryAfterMs: 250 });
  expect(hear(answer(431, ""), true)).toMatchObject({ layer: "listener", reason: "status_431" });
  expect(hear(answer(404, '{"reason":"not_found"}'), false)).toMatchObject({ layer: "other", reason: "not_found" });
  expect(hear({ kind: "no_answer", cause: "reset" }, true)).toMatchObject({ layer: "connection", reason: "reset" });
  expect(hear(answer(201, "{}"), true)).toMatchObject({ layer: "units" });
  expect(hear(answer(201, "{}", "idempotent-replayed: true\r\n"), true)).toMatchObject({ layer: "served" });
  expect(hear(answer(201, "{}"), false)).toMatchObject({ layer: "served" });
});

test("the mixture is nine tenths hostile at any size, and nobody shares an address with another population", () => {
  for (const honestCount of [200, 5_000]) {
    const mixture = mixtureFor(honestCount);
    const flooded = FLOODS.reduce((sum, flood) => sum + mixture.floods[flood], 0);
    expect(flooded / (flooded + honestCount * 10)).toBeGreaterThan(0.9);
    for (const scalper of SCALPERS) {
      expect(mixture.scalpers[scalper].oldCount).toBeLessThanOrEqual(mixture.scalpers[scalper].count);
    }
  }
  const addresses = POPULATION_NAMES.flatMap((population) =>
    Array.from({ length: 40_000 }, (_, index) => addressOf(population, index)),
  );
  expect(new Set(addresses).size).toBe(addresses.length);
});
