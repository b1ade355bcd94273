/**
 * Our HMAC is HMAC: equal to the runtime's own, and its comparison accepts one spelling only.
 */
import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { HmacKey, isSameMac, MAC_LENGTH, signOnce } from "./hmac.ts";

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("HMAC", () => {
  test("equals the runtime's createHmac for any key and any text, short or long", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ minLength: 1_300, maxLength: 3_000 })),
        (key, text) => {
          const expected = createHmac("sha256", key).update(text).digest("base64url");
          expect(new HmacKey(key).sign(text)).toBe(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a key that is used once gives the same code as a prepared one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string({ maxLength: 2_000 }), (key, text) => {
        expect(signOnce(Buffer.from(key).toString("latin1"), text)).toBe(new HmacKey(key).sign(text));
      }),
      { numRuns: 200 },
    );
  });

  test("interleaved keys do not leak into each other's codes", () => {
    const first = new HmacKey(Buffer.alloc(32, 1));
    const second = new HmacKey(Buffer.alloc(32, 2));
    const alone = first.sign("text");
    second.sign("a longer text than the other");
    expect(first.sign("text")).toBe(alone);
    expect(second.sign("text")).not.toBe(alone);
  });

  test("refuses every code that differs in one character, the spare bits of the last one included", () => {
    const code = new HmacKey(Buffer.alloc(32, 7)).sign("text");
    for (let index = 0; index < MAC_LENGTH; index += 1) {
      for (const character of BASE64URL) {
        const other = code.slice(0, index) + character + code.slice(index + 1);
        expect(isSameMac(code, other)).toBe(other === code);
      }
    }
  });

  test.each(["", "short", "=".repeat(43), "a".repeat(42), "a".repeat(44), `${"a".repeat(42)}\u0141`])(
    "refuses %p without comparing",
    (received) => {
      expect(isSameMac("a".repeat(43), received)).toBe(false);
    },
  );

  test("a key longer than a block is a mistake that is found at start", () => {
    expect(() => new HmacKey(Buffer.alloc(65))).toThrow(RangeError);
  });
});
