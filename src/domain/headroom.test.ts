import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readCrowd } from "./headroom.ts";

const CROWD = { saleId: "drop", busiestSecondShare: 0.08 };

describe("headroom", () => {
  test.each([
    // 8,000 come in the busiest second: 500 served in 0.5 s, 7,500 refused in 0.75 s.
    [{ buyers: 100_000, stock: 500 }, { acceptsPerS: 1_000, decidesPerS: 10_000 }, 0.8],
    // All of them are served.
    [{ buyers: 10_000, stock: 5_000 }, { acceptsPerS: 1_600, decidesPerS: 10_000 }, 2],
    // Nobody knows the stock: the dearer decision for all.
    [{ buyers: 10_000, stock: null }, { acceptsPerS: 1_600, decidesPerS: 10_000 }, 2],
    [{ buyers: 10_000, stock: null }, { acceptsPerS: 1_600, decidesPerS: 800 }, 1],
    [{ buyers: 10_000, stock: 0 }, { acceptsPerS: 1_600, decidesPerS: 10_000 }, 12.5],
    [{ buyers: 1, stock: 1 }, { acceptsPerS: 500, decidesPerS: 500 }, 500],
  ] as const)("%p with %p is %p", (crowd, rates, headroom) => {
    expect(readCrowd({ ...CROWD, ...crowd }, rates).headroom).toBe(headroom);
  });

  test("says its arithmetic", () => {
    const { how } = readCrowd({ ...CROWD, buyers: 100_000, stock: 500 }, { acceptsPerS: 1_000, decidesPerS: 10_000 });
    expect(how).toBe(
      "8000 of 100000 buyers come in the busiest second (8 %): 500 served at 1000/s and 7500 refused at 10000/s take 1.250 s",
    );
    const unknown = (decidesPerS: number) =>
      readCrowd({ ...CROWD, buyers: 100_000, stock: null }, { acceptsPerS: 1_000, decidesPerS }).how;
    expect(unknown(10_000)).toContain(
      "8000 served at 1000/s and 0 refused at 10000/s take 8.000 s; the stock is not known, so all count as served",
    );
    expect(unknown(500)).toContain(
      "0 served at 1000/s and 8000 refused at 500/s take 16.000 s; the stock is not known, so all count as refused",
    );
  });

  test("never grows with the crowd or the stock, nor shrinks with the rates", () => {
    const wholes = fc.integer({ min: 1, max: 10_000_000 });
    const rates = fc.record({
      acceptsPerS: fc.integer({ min: 10, max: 50_000 }),
      more: fc.integer({ min: 0, max: 100_000 }),
    });
    fc.assert(
      fc.property(wholes, wholes, wholes, rates, (buyers, extra, stock, { acceptsPerS, more }) => {
        const both = { acceptsPerS, decidesPerS: acceptsPerS + more };
        const { headroom } = readCrowd({ ...CROWD, buyers, stock }, both);
        expect(readCrowd({ ...CROWD, buyers: buyers + extra, stock }, both).headroom).toBeLessThanOrEqual(headroom);
        expect(readCrowd({ ...CROWD, buyers, stock: stock + extra }, both).headroom).toBeLessThanOrEqual(headroom);
        const faster = { acceptsPerS: acceptsPerS + 1, decidesPerS: both.decidesPerS + 1 };
        expect(readCrowd({ ...CROWD, buyers, stock }, faster).headroom).toBeGreaterThanOrEqual(headroom);
      }),
    );
  });
});
