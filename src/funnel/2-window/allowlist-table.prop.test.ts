/**
 * The table agrees with a plain Map of the same entries, whatever they are and however many times it grew.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { evenRandom } from "../../../test/support/recording-log.ts";
import { KeyedHash, keyedHash } from "../keyed-hash.ts";
import { AllowlistTable } from "./allowlist-table.ts";

const entry = fc.record({
  buyerId: fc.string({ unit: fc.constantFrom(..."abAB01-_"), minLength: 1, maxLength: 5 }),
  tier: fc.constantFrom(null, "gold", "silver", "constructor"),
});

describe("an allowlist's table", () => {
  test("agrees with a Map", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 300 }), fc.array(entry, { maxLength: 50 }), (entries, strangers) => {
        const model = new Map<string, string | null>();
        const table = new AllowlistTable(keyedHash(evenRandom()));
        for (const { buyerId, tier } of entries) {
          const known = model.get(buyerId);
          const expected = known === undefined ? "new" : known === tier ? "same" : "contradiction";
          expect(table.add(buyerId, tier)).toBe(expected);
          if (known === undefined) model.set(buyerId, tier);
        }
        expect(table.size).toBe(model.size);
        for (const { buyerId } of [...entries, ...strangers]) {
          expect(table.has(buyerId)).toBe(model.has(buyerId));
          expect(table.tierOf(buyerId)).toBe(model.get(buyerId) ?? null);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a hash of zeros is a buyer like any other, also where all hashes fall into one slot", () => {
    class FlatHash extends KeyedHash {
      override update(text: string): void {
        this.high = Number(text);
        this.low = 0;
      }
    }
    const table = new AllowlistTable(new FlatHash({ word0: 0, word1: 0 }));
    expect(table.has("0")).toBe(false);
    expect(table.add("0", "gold")).toBe("new");
    for (let index = 2; index < 100; index += 1) expect(table.add(String(index), null)).toBe("new");
    expect(table.tierOf("0")).toBe("gold");
    expect(table.has("99")).toBe(true);
    expect(table.has("100")).toBe(false);
  });

  test("a million buyers fit into twenty megabytes, and nobody else is among them", () => {
    const table = new AllowlistTable(keyedHash(evenRandom()), 1_000_000);
    const before = process.memoryUsage().arrayBuffers;
    const grown = new AllowlistTable(keyedHash(evenRandom()), 1_000_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(20_000_000);
    expect(grown.size).toBe(0);
    for (let index = 0; index < 1_000_000; index += 1) table.add(`buyer-${index}`, index % 100 === 0 ? "gold" : null);
    expect(table.size).toBe(1_000_000);
    let strangers = 0;
    for (let index = 1_000_000; index < 1_200_000; index += 1) if (table.has(`buyer-${index}`)) strangers += 1;
    expect(strangers).toBe(0);
    expect(table.tierOf("buyer-500")).toBe("gold");
    expect(table.tierOf("buyer-501")).toBeNull();
  });
});
