/**
 * Accounts are counted once each, forgotten in time, and a flood of keys neither costs memory nor frees a crowded one.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KeyedHash } from "../../keyed-hash.ts";
import { DistinctCounts } from "./distinct-counts.ts";

const WINDOW_MS = 60_000;
const KEYS = new KeyedHash({ word0: 1, word1: 2 });
const ACCOUNTS = new KeyedHash({ word0: 3, word1: 4 });

function hashed(hash: KeyedHash, text: string): { high: number; low: number } {
  hash.update(text);
  return { high: hash.high, low: hash.low };
}

const key = (name: string) => hashed(KEYS, name);
const account = (name: string | number) => hashed(ACCOUNTS, `account-${name}`);
const counts = (sampleEvery = 1) => new DistinctCounts({ entriesMax: 1_024, windowMs: WINDOW_MS, sampleEvery });

describe("distinct accounts", () => {
  test("are never overcounted, however often and in whatever order they come", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 200 }), (visits) => {
        const table = counts();
        let counted = 0;
        for (const visit of visits) counted = table.note(key("office"), account(visit), 0);
        // Two accounts may share a bit, never the other way round; a rounded estimate of n bits is at most n for a few.
        expect(counted).toBeLessThanOrEqual(new Set(visits).size);
      }),
      { numRuns: 200 },
    );
  });

  test("are told within a fifth up to hundreds, and with sampling up to thousands", () => {
    const near = counts();
    for (let index = 0; index < 300; index += 1) near.note(key("farm"), account(index), 0);
    expect(near.read(key("farm"), 0)).toBeGreaterThan(240);
    expect(near.read(key("farm"), 0)).toBeLessThan(375);
    const far = counts(16);
    for (let index = 0; index < 5_000; index += 1) far.note(key("carrier"), account(index), 0);
    expect(far.read(key("carrier"), 0)).toBeGreaterThan(3_500);
    expect(far.read(key("carrier"), 0)).toBeLessThan(7_000);
  });

  test("are remembered for a window at least and forgotten after two", () => {
    const table = counts();
    table.note(key("office"), account("early"), WINDOW_MS - 1);
    table.note(key("office"), account("late"), WINDOW_MS + 1);
    expect(table.read(key("office"), WINDOW_MS * 2)).toBe(2);
    expect(table.read(key("office"), WINDOW_MS * 4)).toBe(0);
  });

  test("of a crowded key survive a million keys that were seen once", () => {
    const table = counts();
    for (let index = 0; index < 50; index += 1) table.note(key("farm"), account(index), 0);
    for (let index = 0; index < 1_000_000; index += 1) table.note({ high: index, low: index }, account("one"), 1);
    expect(table.read(key("farm"), 1)).toBeGreaterThan(40);
  });

  test("of several processes are one crowd, told without end and never passed on", () => {
    const [one, two] = [counts(), counts()];
    for (let index = 0; index < 40; index += 1) (index % 2 === 0 ? one : two).note(key("farm"), account(index), 0);
    const told = (table: DistinctCounts) => table.crowded({ bitsMin: 4, keysMax: 10, nowMs: 0 });
    const before = one.read(key("farm"), 0);
    for (let times = 0; times < 3; times += 1) {
      const [fromOne, fromTwo] = [told(one), told(two)];
      one.learn(fromTwo, 0);
      two.learn(fromOne, 0);
    }
    expect(before).toBeLessThan(25);
    expect(one.read(key("farm"), 0)).toBeGreaterThan(32);
    expect(two.read(key("farm"), 0)).toBe(one.read(key("farm"), 0));
    one.learn([], 0);
    expect(one.read(key("farm"), 0)).toBe(before);
  });

  test("of keys that few share are told to nobody, and of the others the most crowded", () => {
    const table = counts();
    for (let size = 1; size <= 30; size += 1) {
      for (let index = 0; index < size; index += 1) table.note(key(`key-${size}`), account(index), 0);
    }
    const told = table.crowded({ bitsMin: 10, keysMax: 5, nowMs: 0 });
    expect(told).toHaveLength(5);
    expect(told[0]?.slice(0, 2)).toEqual([key("key-30").high, key("key-30").low]);
    expect(table.crowded({ bitsMin: 31, keysMax: 5, nowMs: 0 })).toEqual([]);
    expect(table.crowded({ bitsMin: 1, keysMax: 500, nowMs: 3 * WINDOW_MS })).toEqual([]);
  });

  test("of one key are not those of another", () => {
    const table = counts();
    table.note(key("office"), account("ann"), 0);
    expect(table.read(key("school"), 0)).toBe(0);
  });
});
