/**
 * The hash spreads evenly and differently in each process, and two texts share a value only by chance.
 */
import { describe, expect, test } from "bun:test";
import { evenRandom } from "../../test/support/recording-log.ts";
import { KeyedHash, keyedHash } from "./keyed-hash.ts";

function hashOf(hash: KeyedHash, text: string): string {
  hash.update(text);
  return `${hash.high}.${hash.low}`;
}

describe("keyed hash", () => {
  test("gives the same value for the same text and another one under another key", () => {
    const first = new KeyedHash({ word0: 1, word1: 2 });
    expect(hashOf(first, "203.0.113.7")).toBe(hashOf(new KeyedHash({ word0: 1, word1: 2 }), "203.0.113.7"));
    expect(hashOf(first, "203.0.113.7")).not.toBe(hashOf(new KeyedHash({ word0: 1, word1: 3 }), "203.0.113.7"));
    expect(hashOf(first, "203.0.113.7")).not.toBe(hashOf(new KeyedHash({ word0: 2, word1: 2 }), "203.0.113.7"));
  });

  test("draws another key each time", () => {
    const random = evenRandom();
    expect(hashOf(keyedHash(random), "x")).not.toBe(hashOf(keyedHash(random), "x"));
  });

  test("tells apart texts that differ only in length, case, or one character", () => {
    const hash = new KeyedHash({ word0: 3, word1: 4 });
    const texts = ["", "\0", "\0\0", "a", "A", "a\0", "aa", "ab", "ba", "abc", "abd", "é", "\u0100"];
    expect(new Set(texts.map((text) => hashOf(hash, text))).size).toBe(texts.length);
  });

  test("has no collision in 200,000 neighbouring texts, and fills 1,024 sets evenly", () => {
    const hash = new KeyedHash({ word0: 5, word1: 6 });
    const values = new Set<string>();
    const sets = new Uint32Array(1_024);
    for (let count = 0; count < 200_000; count += 1) {
      values.add(hashOf(hash, `buyer-${count}`));
      const index = hash.low & 1_023;
      sets[index] = (sets[index] ?? 0) + 1;
    }
    expect(values.size).toBe(200_000);
    const expected = 200_000 / 1_024;
    const chiSquare = sets.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 1,023 degrees of freedom: mean 1,023, standard deviation 45.
    expect(chiSquare).toBeLessThan(1_023 + 6 * 45);
  });
});
