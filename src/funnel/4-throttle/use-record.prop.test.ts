/**
 * Every use is handed out once, the biggest users first, and a crowd beyond the list is left out, not stored.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SLOTS_LISTED_MAX, UseRecord } from "./use-record.ts";

describe("use record", () => {
  test("hands out the biggest first and every use once, whatever the order and the portions", () => {
    const step = fc.oneof(
      fc.record({ slot: fc.integer({ min: 0, max: 31 }) }),
      fc.record({ portion: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ forgotten: fc.integer({ min: 0, max: 31 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const record = new UseRecord(32);
        const model = new Map<number, number>();
        steps.forEach((event, nowMs) => {
          if ("slot" in event) {
            record.note(event.slot, nowMs);
            model.set(event.slot, (model.get(event.slot) ?? 0) + 1);
          } else if ("forgotten" in event) {
            record.forget(event.forgotten);
            model.delete(event.forgotten);
          } else {
            const taken = record.takeBiggest(event.portion);
            const biggest = [...model.values()].sort((left, right) => right - left).slice(0, event.portion);
            expect([...taken.counts].sort((left, right) => right - left)).toEqual(biggest);
            taken.slots.forEach((slot, index) => {
              expect(model.get(slot)).toBe(taken.counts[index] as number);
              model.delete(slot);
            });
          }
          for (const slot of model.keys()) expect(record.countOf(slot)).toBe(model.get(slot) as number);
        });
      }),
      { numRuns: 300 },
    );
  });

  test("of equals those go first that waited longest, and each knows since when", () => {
    const record = new UseRecord(8);
    for (const slot of [5, 2, 7, 1]) record.note(slot, 100 + slot);
    expect(record.takeBiggest(2)).toEqual({ slots: [5, 2], counts: [1, 1], sinceMs: [105, 102] });
    record.note(5, 200);
    record.note(1, 201);
    expect(record.takeBiggest(9)).toEqual({ slots: [7, 1, 5], counts: [1, 2, 1], sinceMs: [107, 101, 200] });
    expect(record.takeBiggest(9).slots).toEqual([]);
  });

  test("what everybody shares is told in full, however much it is, and counts as big beside others", () => {
    const record = new UseRecord(8);
    for (let count = 0; count < 3_000; count += 1) record.note(3, 0);
    for (let count = 0; count < 256; count += 1) record.note(4, 0);
    record.note(5, 0);
    expect(record.takeBiggest(2)).toMatchObject({ slots: [3, 4], counts: [3_000, 256] });
    expect(record.takeBiggest(2)).toMatchObject({ slots: [5], counts: [1] });
  });

  test("a crowd beyond the list is left out, and the list serves again once it is empty", () => {
    const record = new UseRecord(SLOTS_LISTED_MAX + 10);
    for (let slot = 0; slot < SLOTS_LISTED_MAX + 10; slot += 1) record.note(slot, 0);
    expect(record.countOf(SLOTS_LISTED_MAX + 5)).toBe(0);
    record.forgetAll();
    expect(record.countOf(3)).toBe(0);
    record.note(SLOTS_LISTED_MAX + 5, 1);
    expect(record.takeBiggest(1).slots).toEqual([SLOTS_LISTED_MAX + 5]);
  });
});
