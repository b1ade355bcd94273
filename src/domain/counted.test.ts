/** One of something, and any other number of it. */
import { expect, test } from "bun:test";
import { counted } from "./counted.ts";

test.each([
  [0, "0 trials"],
  [1, "1 trial"],
  [2, "2 trials"],
  [12_345, "12,345 trials"],
])("%p", (count, text) => {
  expect(counted(count, "trial")).toBe(text);
});

test("a plural of its own", () => {
  expect([1, 3].map((count) => counted(count, "process", "processes"))).toEqual(["1 process", "3 processes"]);
});
