/** A buyer's bucket never changes, and buckets are about equally full. */
import { describe, expect, test } from "bun:test";
import { bucketOf } from "./bucket-of.ts";

describe("bucketOf", () => {
  test("is the only bucket when there is one", () => {
    expect(bucketOf("anybody", 1)).toBe(0);
    expect(bucketOf("", 0)).toBe(0);
  });

  test("is FNV-1a of the id: the same in every process and version", () => {
    // Vectors of the FNV authors: fnv1a32("a") = e40c292c, fnv1a32("foobar") = bf9cf968.
    expect(bucketOf("a", 2 ** 32)).toBe(0xe40c292c);
    expect(bucketOf("foobar", 2 ** 32)).toBe(0xbf9cf968);
  });

  test("spreads buyers evenly", () => {
    const counts = new Array<number>(16).fill(0);
    for (let index = 0; index < 16_000; index += 1) {
      const bucket = bucketOf(`buyer-${index}`, 16);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });
});
