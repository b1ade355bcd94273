/** Prices are shown and read with the currency's own number of decimals. */
import { expect, test } from "bun:test";
import { formatMoney, parseAmount } from "./money.ts";

test("shows minor units with the currency's decimals", () => {
  expect(formatMoney({ amount: 4_900, currency: "EUR" }, "en")).toBe("€49.00");
  expect(formatMoney({ amount: 4_900, currency: "JPY" }, "en")).toBe("¥4,900");
  expect(formatMoney({ amount: 4_900, currency: "KWD" }, "en").replace(/\s/g, " ")).toBe("KWD 4.900");
});

test("reads a typed price exactly, with point or comma", () => {
  expect(parseAmount({ text: "49", currency: "EUR" })).toBe(4_900);
  expect(parseAmount({ text: " 49,9 ", currency: "EUR" })).toBe(4_990);
  expect(parseAmount({ text: "0.29", currency: "EUR" })).toBe(29);
  expect(parseAmount({ text: "4900", currency: "JPY" })).toBe(4_900);
});

test("refuses what is no price in that currency", () => {
  for (const text of ["", "-1", "1e3", "1.999", "1,000.00", "abc"]) {
    expect(parseAmount({ text, currency: "EUR" })).toBeNull();
  }
  expect(parseAmount({ text: "49.5", currency: "JPY" })).toBeNull();
});
