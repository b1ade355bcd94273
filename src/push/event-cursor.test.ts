import { expect, test } from "bun:test";
import fc from "fast-check";
import { createCursorCodec } from "./event-cursor.ts";

const KEY = new Uint8Array(32).fill(7);
const codec = createCursorCodec(KEY);
const position = fc.record({
  transaction: fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }).map(String),
  row: fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }).map(String),
});

test("reads back every position it wrote, on every node with the same key", () => {
  const elsewhere = createCursorCodec(KEY.slice());
  fc.assert(fc.property(position, (cursor) => expect(elsewhere.decode(codec.encode(cursor))).toEqual(cursor)));
});

test("treats everything that it did not write as no position at all", () => {
  const hostile = [
    "",
    "0",
    "a".repeat(22),
    "a".repeat(23),
    "é".repeat(22),
    "../../etc",
    "A".repeat(10_000),
    "\n".repeat(22),
  ];
  for (const token of [null, ...hostile]) expect(codec.decode(token)).toBeNull();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(codec.decode(Buffer.from(bytes).toString("base64url"))).toBeNull();
    }),
  );
});

test("cannot be read or written with another key", () => {
  const other = createCursorCodec(new Uint8Array(32).fill(8));
  fc.assert(fc.property(position, (cursor) => expect(other.decode(codec.encode(cursor))).toBeNull()));
});

test("does not show how near two positions are", () => {
  const tokens = [1, 2, 3].map((row) => codec.encode({ transaction: "1000", row: String(row) }));
  const bytes = tokens.map((token) => Buffer.from(token, "base64url"));
  expect(new Set(tokens).size).toBe(3);
  for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(bytes[0]?.subarray(0, 8).equals(bytes[1]?.subarray(0, 8) ?? Buffer.alloc(0))).toBe(false);
});

test("refuses a key that is too short, and positions that no log can have", () => {
  expect(() => createCursorCodec(new Uint8Array(15))).toThrow(RangeError);
  expect(() => codec.encode({ transaction: String(2n ** 48n), row: "0" })).toThrow(RangeError);
});
