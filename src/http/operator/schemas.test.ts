import { expect, test } from "bun:test";
import { PRICE_AMOUNT_MAX } from "../../domain/money.ts";
import { checkValue } from "./body.ts";
import { NewSaleSchema } from "./schemas.ts";

const OPENS_AT = 1_800_000_000_000;
const ITEM = { sku: "shoe", price: { amount: 4_900, currency: "EUR" }, stock: 10 };
const SALE = { name: "Drop", opensAt: OPENS_AT, closesAt: OPENS_AT + 1_000, items: [ITEM] };

/** The fields that are wrong, with what is said about each. */
function errorsOf(overrides: Record<string, unknown>): Record<string, string> {
  const checked = checkValue(NewSaleSchema, { ...SALE, ...overrides });
  if (checked.kind === "value") return {};
  return Object.fromEntries((checked.problem.errors ?? []).map((error) => [error.field, error.text]));
}

const withItem = (overrides: Record<string, unknown>) => ({ items: [{ ...ITEM, ...overrides }] });
const withPrice = (overrides: Record<string, unknown>) => withItem({ price: { ...ITEM.price, ...overrides } });

/** What is wrong, the field that is named, and a word that the text must contain. */
const WRONGS: readonly (readonly [string, Record<string, unknown>, string, string])[] = [
  ["an id with a separator", { id: "a:b" }, "id", "A-Z a-z 0-9 _ -"],
  ["an id that is too long", { id: "x".repeat(65) }, "id", "1 to 64"],
  ["a missing name", { name: undefined }, "name", "is missing"],
  ["a blank name", { name: "   " }, "name", "1 to 200"],
  ["a name with a line break", { name: "a\nb" }, "name", "line breaks"],
  ["a description that is too long", { description: "x".repeat(2_001) }, "description", "2000"],
  ["an image from a script", { imageUrl: "javascript:alert(1)" }, "imageUrl", "https://"],
  ["an image without TLS", { imageUrl: "http://cdn.example/a.png" }, "imageUrl", "https://"],
  ["an image from another host in disguise", { imageUrl: "//cdn.example/a.png" }, "imageUrl", "https://"],
  ["a time in seconds", { opensAt: 1_800_000_000 }, "opensAt", "not seconds"],
  ["a time as text", { opensAt: "2027-01-01" }, "opensAt", "milliseconds"],
  ["a time with a fraction", { opensAt: OPENS_AT + 0.5 }, "opensAt", "whole number"],
  ["closing before opening", { closesAt: OPENS_AT - 1 }, "closesAt", "later than opensAt"],
  ["closing when it opens", { closesAt: OPENS_AT }, "closesAt", "later than opensAt"],
  ["a hold too short to pay", { holdMs: 999 }, "holdMs", "from 1000 to 86400000"],
  ["a hold that strands stock", { holdMs: 86_400_001 }, "holdMs", "from 1000 to 86400000"],
  ["no unit a buyer", { perBuyerMax: 0 }, "perBuyerMax", "from 1 to 1000"],
  ["a challenge rule that is none", { challenge: "sometimes" }, "challenge", '"none", "adaptive" or "always"'],
  ["no bucket", { buckets: 0 }, "buckets", "from 1 to 64"],
  ["more buckets than there may be", { buckets: 65 }, "buckets", "from 1 to 64"],
  ["half a bucket", { buckets: 1.5 }, "buckets", "whole number"],
  ["a signature rule that is none", { signature: "maybe" }, "signature", '"required" or "optional"'],
  ["an unknown field", { stocks: 5 }, "The body", '"stocks"; accepted are id, name'],
  ["an unknown rule", { eligibility: { minAge: 18 } }, "eligibility", '"minAge"; accepted are allowlist'],
  ["an allowlist in place", { eligibility: { allowlist: ["b"] } }, "eligibility.allowlist", "true or false"],
  ["a blocked buyer that is none", { eligibility: { blocklist: ["a b"] } }, "eligibility.blocklist[0]", "buyer id"],
  ["no items", { items: [] }, "items", "1 to 64"],
  ["too many items", { items: Array(65).fill(ITEM) }, "items", "1 to 64"],
  ["an item that is none", { items: ["shoe"] }, "items[0]", "an item"],
  ["a sku twice", { items: [ITEM, ITEM] }, "items[1].sku", "items[0] has the same"],
  ["no stock", withItem({ stock: 0 }), "items[0].stock", "from 1 to 10000000"],
  ["half a unit", withItem({ stock: 1.5 }), "items[0].stock", "whole number"],
  ["stock beyond belief", withItem({ stock: 1e21 }), "items[0].stock", "from 1 to 10000000"],
  ["stock as text", withItem({ stock: "10" }), "items[0].stock", "whole number"],
  ["a negative price", withPrice({ amount: -1 }), "items[0].price.amount", "from 0"],
  ["a price beyond the bound", withPrice({ amount: PRICE_AMOUNT_MAX + 1 }), "items[0].price.amount", "1000000000"],
  ["a price in parts of a cent", withPrice({ amount: 0.5 }), "items[0].price.amount", "minor units"],
  ["a currency that is none", withPrice({ currency: "EURO" }), "items[0].price.currency", "ISO 4217"],
  ["a currency in small letters", withPrice({ currency: "eur" }), "items[0].price.currency", "ISO 4217"],
  ["a code nobody issued", withPrice({ currency: "QQQ" }), "items[0].price.currency", "ISO 4217"],
];

for (const [name, overrides, field, word] of WRONGS) {
  test(`refuses ${name}, naming ${field}`, () => {
    const errors = errorsOf(overrides);
    expect(Object.keys(errors)).toContain(field);
    expect(errors[field]).toContain(word);
  });
}

test("refuses a second currency in one sale", () => {
  const hat = { ...ITEM, sku: "hat", price: { amount: 1, currency: "USD" } };
  expect(errorsOf({ items: [ITEM, hat] })["items[1].price.currency"]).toContain("one currency a sale");
});

test("accepts the bounds themselves and everything that may be left out", () => {
  expect(errorsOf({})).toEqual({});
  expect(
    errorsOf({ holdMs: 1_000, perBuyerMax: 1_000, challenge: "always", buckets: 64, signature: "optional" }),
  ).toEqual({});
  expect(errorsOf({ description: null, imageUrl: "/assets/shoe.png" })).toEqual({});
  expect(errorsOf(withPrice({ amount: PRICE_AMOUNT_MAX, currency: "JPY" }))).toEqual({});
  expect(errorsOf({ eligibility: { allowlist: true, accountAgeMsMin: 0, levelMin: 3, blocklist: ["b-1"] } })).toEqual(
    {},
  );
});

test("of very many errors the answer lists some and counts all", () => {
  const checked = checkValue(NewSaleSchema, { ...SALE, eligibility: { blocklist: Array(500).fill("a b") } });
  if (checked.kind === "value") throw new Error("a wrong blocklist was accepted");
  expect(checked.problem.errors).toHaveLength(20);
  expect(checked.problem.detail).toContain("(and 499 more)");
});
