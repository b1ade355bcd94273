import { expect, test } from "bun:test";
import { hashSlot } from "./hash-slot.ts";

test("slots are those of the Cluster specification", () => {
  expect(hashSlot("123456789")).toBe(0x31c3 % 16_384);
  expect(hashSlot("foo")).toBe(12_182);
  expect(hashSlot("user1000")).toBe(3_443);
  expect(hashSlot("")).toBe(0);
});
