/** What is typed becomes exactly the body meant, or an error at the field that is wrong. */
import { describe, expect, test } from "bun:test";
import { BUCKETS_MAX } from "../../src/domain/sale.ts";
import { checkDraft, newDraft, type SaleDraft, type TierDraft, toLocalText } from "./sale-draft.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");

function draft(changes: Partial<SaleDraft> = {}): SaleDraft {
  return {
    ...newDraft(NOW),
    name: "Spring concert",
    items: [{ sku: "standing", name: "Standing", price: "49.90", stock: "500" }],
    ...changes,
  };
}

function errorsOf(changes: Partial<SaleDraft>): string[] {
  const check = checkDraft(draft(changes), NOW);
  return check.kind === "wrong" ? [...check.errors.keys()] : [];
}

test("a complete draft becomes the body of the operator API, in milliseconds and minor units", () => {
  const check = checkDraft(draft({ opensAt: "2026-11-22T12:00", closesAt: "2026-11-22T13:30" }), NOW);
  expect(check).toEqual({
    kind: "valid",
    body: {
      name: "Spring concert",
      opensAt: new Date(2026, 10, 22, 12, 0).getTime(),
      closesAt: new Date(2026, 10, 22, 13, 30).getTime(),
      holdMs: 600_000,
      perBuyerMax: 2,
      buckets: 1,
      challenge: "adaptive",
      signature: "required",
      eligibility: {},
      items: [{ sku: "standing", name: "Standing", price: { amount: 4_990, currency: "EUR" }, stock: 500 }],
    },
  });
});

test("rules about who may buy are sent only when they are set", () => {
  const check = checkDraft(draft({ isAllowlisted: true, accountAgeDays: "30", levelMin: "2" }), NOW);
  expect(check).toMatchObject({
    body: { eligibility: { allowlist: true, accountAgeMsMin: 30 * 86_400_000, levelMin: 2 } },
  });
});

test("an earlier opening has a name, an instant before the sale's, and the rules that were typed", () => {
  const opensAt = "2026-12-02T10:00";
  const window = { opensAt, closesAt: "2026-12-02T12:00" };
  const gold = { name: "gold", opensAt: "2026-12-02T09:30", levelMin: "3", accountAgeDays: "" };
  const invited = { ...gold, name: "invited", levelMin: "" };
  expect(checkDraft(draft({ ...window, tiers: [gold, invited] }), NOW)).toMatchObject({
    body: {
      eligibility: {
        tiers: [
          { name: "gold", opensAt: new Date(2026, 11, 2, 9, 30).getTime(), levelMin: 3 },
          { name: "invited", opensAt: new Date(2026, 11, 2, 9, 30).getTime() },
        ],
      },
    },
  });
  const wrong = (...tiers: TierDraft[]) => errorsOf({ ...window, tiers });
  expect(wrong(gold, { ...gold, opensAt })).toEqual(["eligibility.tiers[1].name", "eligibility.tiers[1].opensAt"]);
  expect(wrong({ ...gold, name: "two words", levelMin: "x" })).toEqual([
    "eligibility.tiers[0].name",
    "eligibility.tiers[0].levelMin",
  ]);
  expect(wrong({ ...gold, opensAt: "", accountAgeDays: "-1" })).toEqual([
    "eligibility.tiers[0].opensAt",
    "eligibility.tiers[0].accountAgeMsMin",
  ]);
});

test("buckets are what was typed, up to as many as there may be", () => {
  expect(checkDraft(draft({ buckets: String(BUCKETS_MAX) }), NOW)).toMatchObject({ body: { buckets: BUCKETS_MAX } });
  expect(errorsOf({ buckets: String(BUCKETS_MAX + 1) })).toEqual(["buckets"]);
  expect(errorsOf({ buckets: "0" })).toEqual(["buckets"]);
  expect(errorsOf({ buckets: "" })).toEqual(["buckets"]);
});

test("local time survives the way through a field", () => {
  expect(Date.parse(toLocalText(NOW))).toBe(NOW);
});

describe("the error stands at the field", () => {
  test("names, ids and numbers", () => {
    expect(errorsOf({ name: "  " })).toEqual(["name"]);
    expect(errorsOf({ id: "with space" })).toEqual(["id"]);
    expect(errorsOf({ holdMinutes: "0" })).toEqual(["holdMs"]);
    expect(errorsOf({ perBuyerMax: "1.5" })).toEqual(["perBuyerMax"]);
    expect(errorsOf({ currency: "euro" })).toEqual(["items[0].price.currency"]);
    expect(errorsOf({ levelMin: "-1" })).toEqual(["eligibility.levelMin"]);
  });

  test("the window", () => {
    expect(errorsOf({ opensAt: "" })).toEqual(["opensAt"]);
    expect(errorsOf({ opensAt: "2026-12-02T10:00", closesAt: "2026-12-02T10:00" })).toEqual(["closesAt"]);
    expect(errorsOf({ opensAt: "2020-01-01T10:00", closesAt: "2020-01-02T10:00" })).toEqual(["closesAt"]);
  });

  test("items, each by its own number", () => {
    const good = { sku: "a", name: "", price: "10", stock: "5" };
    expect(errorsOf({ items: [good, { ...good, sku: "a" }] })).toEqual(["items[1].sku"]);
    expect(errorsOf({ items: [good, { ...good, sku: "b", price: "1,234.00" }] })).toEqual(["items[1].price.amount"]);
    expect(errorsOf({ items: [good, { ...good, sku: "b", stock: "0" }] })).toEqual(["items[1].stock"]);
  });
});
