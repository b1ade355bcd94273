/**
 * The table limits each key exactly as a plain GCRA per key would, in a fixed amount of memory.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KeyedHash } from "../keyed-hash.ts";
import { GcraTable, type RateLimit } from "./gcra-table.ts";

const hash = () => new KeyedHash({ word0: 11, word1: 12 });

function ask(table: GcraTable, key: string, nowMs: number): boolean {
  const slot = table.slotOf(key, nowMs);
  if (table.waitMs(slot, nowMs) > 0) return false;
  table.take(slot, nowMs);
  return true;
}

/** The definition, with one number per key and limit. */
class Model {
  readonly #arrivals = new Map<string, number[]>();
  readonly #limits: readonly RateLimit[];

  constructor(limits: readonly RateLimit[]) {
    this.#limits = limits;
  }

  ask(key: string, nowMs: number): boolean {
    const arrivals = this.#arrivals.get(key) ?? this.#limits.map(() => Number.NEGATIVE_INFINITY);
    const conforms = this.#limits.every(({ count, periodMs }, index) => {
      return nowMs + 0.001 >= (arrivals[index] ?? 0) - (periodMs - periodMs / count);
    });
    if (conforms) {
      const next = this.#limits.map(({ count, periodMs }, index) => {
        return Math.max(nowMs, arrivals[index] ?? 0) + periodMs / count;
      });
      this.#arrivals.set(key, next);
    }
    return conforms;
  }
}

describe("GCRA table", () => {
  test("decides like one GCRA per key and limit, for any order of requests", () => {
    const step = fc.record({ key: fc.constantFrom("a", "b", "c", "d"), afterMs: fc.integer({ min: 0, max: 400 }) });
    const limit = fc.record({ count: fc.integer({ min: 1, max: 7 }), periodMs: fc.constantFrom(1_000, 60_000) });
    fc.assert(
      fc.property(
        fc.array(limit, { minLength: 1, maxLength: 3 }),
        fc.array(step, { maxLength: 200 }),
        (limits, steps) => {
          const table = new GcraTable({ hash: hash(), limits, entriesMax: 1_024 });
          const model = new Model(limits);
          let nowMs = 5_000;
          for (const { key, afterMs } of steps) {
            nowMs += afterMs;
            expect(ask(table, key, nowMs)).toBe(model.ask(key, nowMs));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("lets five through at once, and the wait it names is exactly long enough", () => {
    const table = new GcraTable({ hash: hash(), limits: [{ count: 5, periodMs: 1_000 }], entriesMax: 64 });
    for (let count = 0; count < 5; count += 1) expect(ask(table, "a", 100)).toBe(true);
    expect(ask(table, "a", 100)).toBe(false);
    const waitMs = table.waitMs(table.slotOf("a", 100), 100);
    expect(waitMs).toBe(200);
    expect(ask(table, "a", 100 + waitMs - 1)).toBe(false);
    expect(ask(table, "a", 100 + waitMs)).toBe(true);
  });

  test("a limit that does not divide its period lets through exactly as many as it says", () => {
    for (const count of [3, 7, 300, 999, 12_345]) {
      const table = new GcraTable({ hash: hash(), limits: [{ count, periodMs: 1_000 }], entriesMax: 64 });
      const passed = Array.from({ length: count + 5 }, () => ask(table, "a", 7_654_321.125)).filter(Boolean);
      expect(passed).toHaveLength(count);
    }
  });

  test("a refused request takes nothing, however often it is made", () => {
    const table = new GcraTable({ hash: hash(), limits: [{ count: 1, periodMs: 1_000 }], entriesMax: 64 });
    expect(ask(table, "a", 0)).toBe(true);
    for (let nowMs = 1; nowMs < 1_000; nowMs += 1) expect(ask(table, "a", nowMs)).toBe(false);
    expect(ask(table, "a", 1_000)).toBe(true);
  });

  test("a million strangers do not free the one who is limited hardest", () => {
    const table = new GcraTable({ hash: hash(), limits: [{ count: 5, periodMs: 60_000 }], entriesMax: 1_024 });
    for (let count = 0; count < 5; count += 1) ask(table, "greedy", 0);
    for (let count = 0; count < 1_000_000; count += 1) ask(table, `stranger-${count}`, 1);
    expect(ask(table, "greedy", 2)).toBe(false);
  });

  test("keys that share a set do not share an allowance", () => {
    const table = new GcraTable({ hash: hash(), limits: [{ count: 1, periodMs: 1_000 }], entriesMax: 8 });
    for (const key of ["a", "b", "c", "d", "e", "f", "g", "h"]) expect(ask(table, key, 0)).toBe(true);
    for (const key of ["a", "b", "c", "d", "e", "f", "g", "h"]) expect(ask(table, key, 1)).toBe(false);
  });

  test("learns what others used on top of what it used since it told, and never less than it knows", () => {
    const limits = [{ count: 5, periodMs: 1_000 }];
    const table = new GcraTable({ hash: hash(), limits, entriesMax: 64, recordsUses: true });
    const waitMs = () => table.waitMs(table.slotOf("a", 100), 100);
    ask(table, "a", 100);
    const { slots, keys, counts } = table.takeUses(10);
    expect(counts).toEqual([1]);
    const learn = (aheadMs: number, key = keys[0] ?? "") =>
      table.learn({ slot: slots[0] ?? 0, key, aheadMs: [aheadMs], atMs: 100 });
    ask(table, "a", 100);
    ask(table, "a", 100);
    learn(5_000, "0".repeat(16));
    expect(waitMs()).toBe(0);
    // 1,000 ms of others and of the first use, 400 ms of the two since; 800 ms may be ahead.
    learn(1_000);
    expect(waitMs()).toBe(600);
    learn(0);
    expect(waitMs()).toBe(600);
    expect(table.takeUses(10).counts).toEqual([2]);
    expect(table.takeUses(10).counts).toEqual([]);
  });

  test("a slot that another key took over tells nothing of the one before", () => {
    const limits = [{ count: 5, periodMs: 1_000 }];
    const table = new GcraTable({ hash: hash(), limits, entriesMax: 8, recordsUses: true });
    for (let count = 0; count < 100; count += 1) ask(table, `stranger-${count}`, count);
    const { keys, counts } = table.takeUses(100);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(8);
    expect(counts.every((count) => count === 1)).toBe(true);
  });

  test("limits of zero are off", () => {
    const table = new GcraTable({ hash: hash(), limits: [{ count: 0, periodMs: 1_000 }], entriesMax: 64 });
    expect(table.isOff).toBe(true);
    expect(ask(table, "a", 0) && ask(table, "a", 0)).toBe(true);
  });
});
