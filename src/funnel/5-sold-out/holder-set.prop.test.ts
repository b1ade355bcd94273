/**
 * The holder set never forgets anybody, and hardly ever takes a stranger for a holder.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KeyedHash } from "../keyed-hash.ts";
import { HolderSet } from "./holder-set.ts";

const make = () => new HolderSet(new KeyedHash({ word0: 21, word1: 22 }));

describe("holder set", () => {
  test("has everybody who was added, in any order and however often", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 22 }), { maxLength: 2_000 }), (buyerIds) => {
        const holders = make();
        for (const buyerId of buyerIds) holders.add(buyerId);
        for (const buyerId of buyerIds) expect(holders.has(buyerId)).toBe(true);
        expect(holders.count).toBe(new Set(buyerIds).size);
      }),
      { numRuns: 30 },
    );
  });

  test("with 200,000 holders mistakes at most a few of 200,000 strangers for one", () => {
    const holders = make();
    for (let count = 0; count < 200_000; count += 1) holders.add(`holder-${count}`);
    let mistaken = 0;
    for (let count = 0; count < 200_000; count += 1) if (holders.has(`stranger-${count}`)) mistaken += 1;
    // Expected: 200,000 × 200,000 / 2^32 ≈ 9.
    expect(mistaken).toBeLessThan(40);
    for (let count = 0; count < 200_000; count += 1) expect(holders.has(`holder-${count}`)).toBe(true);
  });

  test("is empty at first", () => {
    expect(make().has("")).toBe(false);
    expect(make().count).toBe(0);
  });
});
