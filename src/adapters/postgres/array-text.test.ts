/**
 * Arrays written by us mean what the driver's would mean; PostgreSQL itself is asked in the conformance tests.
 */
import { expect, test } from "bun:test";
import { arrayOfNumbers, arrayOfTexts } from "./array-text.ts";

test("ids and numbers are written as an array's text", () => {
  expect(arrayOfTexts(["a-1", "NULL", "", "{x},y", "é"])).toBe('{"a-1","NULL","","{x},y","é"}');
  expect(arrayOfNumbers([1, -2, 1_900_000_000_000])).toBe("{1,-2,1900000000000}");
  expect(arrayOfNumbers([])).toBe("{}");
});

test.each([[[]], [["a", 'b"c']], [["a\\b"]]])("%p is left to the driver", (values) => {
  expect(arrayOfTexts(values)).toBe(values);
});
