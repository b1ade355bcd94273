import { describe, expect, test } from "bun:test";
import type { SaleId } from "./ids.ts";
import { chooseTargets, findSaleInTheWay, isRehearsalSale, rehearsalId, rehearsalSaleId } from "./rehearsal-rules.ts";
import type { Sale } from "./sale.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function saleOf(overrides: Partial<Sale>): Sale {
  return {
    ...{ id: "drop", phase: "scheduled", opensAt: NOW + HOUR, closesAt: NOW + 2 * HOUR, eligibility: {} },
    ...overrides,
  } as Sale;
}

describe("a sale in the way of a rehearsal of 90 s", () => {
  const tiers = (minutes: number): Partial<Sale> => ({
    eligibility: { tiers: [{ name: "fans", opensAt: NOW + minutes * MINUTE }] } as unknown as Sale["eligibility"],
  });
  test.each([
    ["none", [], null],
    ["one that opens in an hour", [{}], null],
    ["one that opens in 11.5 min", [{ opensAt: NOW + 11.5 * MINUTE }], null],
    ["one that opens in 11 min", [{ opensAt: NOW + 11 * MINUTE }], "opens in 11 min"],
    ["one whose first tier is let in in 5 min", [tiers(5)], "opens in 5 min"],
    ["one whose first tier is in", [tiers(-1)], "The sale drop is open"],
    ["one that is open", [{ opensAt: NOW - 1 }], "The sale drop is open"],
    ["one that is paused", [{ opensAt: NOW - 1, phase: "paused" }], "The sale drop is paused"],
    ["one that is closed", [{ opensAt: NOW - 1, phase: "closed" }], null],
    ["one that is over", [{ opensAt: NOW - 2, closesAt: NOW - 1 }], null],
    [
      "one that a rehearsal left open",
      [{ id: `rehearsal-${"x".repeat(22)}-accept` as SaleId, opensAt: NOW - 1 }],
      null,
    ],
    ["the second of two", [{}, { id: "second" as SaleId, opensAt: NOW }], "The sale second is open"],
  ] as const)("%s", (_, sales, words) => {
    const question = { sales: sales.map(saleOf), nowMs: NOW, durationMs: 90_000, isForced: false };
    const why = findSaleInTheWay(question);
    if (words === null) expect(why).toBeNull();
    else expect(why).toContain(words);
    expect(findSaleInTheWay({ ...question, isForced: true })).toBeNull();
  });
});

describe("whom a rehearsal may load", () => {
  const OWN = { ownUrl: "http://127.0.0.1:8080", publicUrl: "http://shop.example" };
  test.each([
    [{ ...OWN, urls: [] }, ["http://127.0.0.1:8080"]],
    [{ ...OWN, ownUrl: null, urls: [] }, ["http://shop.example"]],
    [{ ...OWN, ownUrl: "http://10.0.0.7:8080", urls: [] }, ["http://10.0.0.7:8080"]],
    [{ ...OWN, urls: ["http://localhost:8090", "http://[::1]:80/"] }, ["http://localhost:8090", "http://[::1]"]],
    [{ ...OWN, urls: ["http://shop.example/"] }, ["http://shop.example"]],
    [{ ownUrl: null, publicUrl: null, urls: [] }, "PUBLIC_URL is not set"],
    [{ ...OWN, urls: ["https://127.0.0.1"] }, "is no http:// address"],
    [{ ownUrl: null, publicUrl: "https://shop.example", urls: [] }, "is no http:// address"],
    [{ ...OWN, urls: ["127.0.0.1:8080"] }, "is no http:// address"],
    [{ ...OWN, urls: ["http://127.0.0.1:8080", "http://192.0.2.7"] }, "http://192.0.2.7 is neither this machine"],
    [{ ...OWN, urls: ["http://shop.example:8080"] }, "is neither this machine nor PUBLIC_URL"],
    [{ ...OWN, urls: ["http://127.0.0.1.evil.example"] }, "is neither this machine nor PUBLIC_URL"],
    [{ ...OWN, urls: ["http://localhost.evil.example"] }, "is neither this machine nor PUBLIC_URL"],
    [{ ...OWN, urls: ["http://127.0.0.1@evil.example"] }, "is neither this machine nor PUBLIC_URL"],
  ] as const)("%p: %p", (question, expected) => {
    const answer = chooseTargets(question);
    if (typeof expected === "string")
      expect(answer).toEqual({ kind: "refused", why: expect.stringContaining(expected) });
    else expect(answer).toEqual({ kind: "targets", urls: [...expected] });
  });
});

describe("buyers' lists leave out what is a rehearsal's, and nothing else", () => {
  const random = "A-b_".repeat(6).slice(0, 22);
  test.each([
    [rehearsalSaleId(rehearsalId(random), "accept"), true],
    [rehearsalSaleId(rehearsalId(random), "refuse"), true],
    ["rehearsal-open-doors", false],
    ["rehearsal-x-accept", false],
    [rehearsalId(random), false],
    [`${rehearsalId(random)}-open`, false],
    [`${rehearsalId(random)}-accept-2`, false],
    [`the-${rehearsalId(random)}-accept`, false],
    [`${rehearsalId(`${random}x`)}-accept`, false],
  ])("%s: %p", (id, expected) => {
    expect(isRehearsalSale({ id })).toBe(expected);
  });
});
