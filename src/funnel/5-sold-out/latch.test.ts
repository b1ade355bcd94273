/**
 * The latch closes on the ledger's word alone and opens on the slightest doubt.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Stock } from "../../ports/ledger.ts";
import { KeyedHash } from "../keyed-hash.ts";
import { HolderSet } from "./holder-set.ts";
import { CONFIRMED_MS_MAX, SoldOutLatch } from "./latch.ts";

function stock(changes: Partial<Stock> = {}): Stock {
  return { itemId: 1, total: 10, free: 0, granted: 0, held: 10, sold: 0, version: 5, seq: 10, epoch: 3, ...changes };
}

function latch() {
  return new SoldOutLatch(new HolderSet(new KeyedHash({ word0: 1, word1: 2 })));
}

/** A latch that turns strangers away at time 0. */
function closedLatch(changes: Partial<Stock> = {}) {
  const closed = latch();
  closed.observe(stock(changes), 0);
  closed.holders.add("holder");
  closed.holdersRead({ epoch: 3, seq: 10 });
  return closed;
}

function reason(of: SoldOutLatch, attempt: { buyerId?: string; saleEpoch?: number; nowMs?: number } = {}) {
  return of.check({ buyerId: "stranger", saleEpoch: 3, nowMs: 0, ...attempt })?.reason ?? null;
}

describe("sold-out latch", () => {
  test("says empty while units are unpaid, and sold_out only when every one is sold", () => {
    expect(reason(closedLatch())).toBe("empty");
    expect(reason(closedLatch({ held: 1, sold: 9 }))).toBe("empty");
    expect(reason(closedLatch({ held: 0, sold: 10 }))).toBe("sold_out");
  });

  test("becomes final when the last payment arrives, without any unit moving", () => {
    const closed = closedLatch();
    closed.observe(stock({ held: 0, sold: 10 }), 10);
    expect(reason(closed)).toBe("sold_out");
  });

  test("stays open before anything is known, and while any unit is left anywhere", () => {
    expect(reason(latch())).toBeNull();
    expect(reason(closedLatch({ free: 1, held: 9 }))).toBeNull();
    expect(reason(closedLatch({ granted: 1, held: 9 }))).toBeNull();
  });

  test("stays open until everybody who held units at that moment is known", () => {
    const waiting = latch();
    waiting.observe(stock(), 0);
    expect(waiting.holdersWanted).toEqual({ epoch: 3, seq: 10 });
    expect(reason(waiting)).toBeNull();
    waiting.holdersRead({ epoch: 3, seq: 9 });
    expect(reason(waiting)).toBeNull();
    waiting.holdersRead({ epoch: 3, seq: 10 });
    expect(waiting.holdersWanted).toBeNull();
    expect(reason(waiting)).toBe("empty");
  });

  test("always lets holders through", () => {
    expect(reason(closedLatch(), { buyerId: "holder" })).toBeNull();
  });

  test("opens on any newer version, and an answer that was overtaken does not close it again", () => {
    const reopened = closedLatch();
    reopened.observe(stock({ version: 6, free: 1, held: 9 }), 20);
    expect(reason(reopened)).toBeNull();
    reopened.observe(stock({ version: 5 }), 10);
    expect(reason(reopened)).toBeNull();
    reopened.observe(stock({ version: 6, seq: 11 }), 30);
    expect(reason(reopened)).toBeNull();
    reopened.holdersRead({ epoch: 3, seq: 11 });
    expect(reason(reopened)).toBe("empty");
  });

  test("an answer from before the last unit left does not open it", () => {
    const closed = closedLatch();
    closed.observe(stock({ free: 2, held: 8, seq: 8 }), 5);
    expect(reason(closed)).toBe("empty");
  });

  test("holds nothing against another epoch, and forgets its word when the epoch turns", () => {
    const closed = closedLatch();
    expect(reason(closed, { saleEpoch: 4 })).toBeNull();
    closed.observe(stock({ epoch: 4, seq: 0 }), 5);
    expect(reason(closed, { saleEpoch: 4 })).toBeNull();
    closed.observe(stock({ epoch: 3, version: 9 }), 6);
    expect(reason(closed, { saleEpoch: 3 })).toBeNull();
  });

  test("lets everybody through when it has not been confirmed for two seconds", () => {
    const closed = closedLatch();
    expect(reason(closed, { nowMs: CONFIRMED_MS_MAX })).toBe("empty");
    expect(reason(closed, { nowMs: CONFIRMED_MS_MAX + 1 })).toBeNull();
    closed.observe(stock(), CONFIRMED_MS_MAX);
    expect(reason(closed, { nowMs: 2 * CONFIRMED_MS_MAX })).toBe("empty");
  });

  test("is never early: whatever order answers arrive in, it refuses only on a word about the newest version it knows", () => {
    // A history of an item: units leave one by one; now and then some come back, which raises the version.
    const step = fc.constantFrom("take", "take", "take", "return");
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.infiniteStream(fc.nat()), (steps, delays) => {
        const history: Stock[] = [stock({ total: 3, free: 3, held: 0, version: 1, seq: 0 })];
        for (const move of steps) {
          const last = history.at(-1) as Stock;
          if (move === "take" && last.free > 0) {
            history.push({ ...last, free: last.free - 1, held: last.held + 1, seq: last.seq + 1 });
          } else if (move === "return" && last.held > 0) {
            history.push({ ...last, free: last.free + 1, held: last.held - 1, version: last.version + 1 });
          }
        }
        // Each state is asked for at its own time and answered in a shuffled order.
        const answers = history
          .map((state, askedAtMs) => ({ state, askedAtMs, at: askedAtMs + ((delays.next().value as number) % 8) }))
          .sort((left, right) => left.at - right.at);
        const tested = latch();
        const arrived: Stock[] = [];
        for (const { state, askedAtMs } of answers) {
          tested.observe(state, askedAtMs);
          tested.holdersRead({ epoch: 3, seq: 1_000 });
          arrived.push(state);
          const newest = Math.max(...arrived.map((other) => other.version));
          const saidNothingLeft = arrived.some((other) => other.version === newest && other.free === 0);
          expect(reason(tested) !== null).toBe(saidNothingLeft);
        }
        // Once everything has arrived, the latch agrees with the last state.
        const last = history.at(-1) as Stock;
        expect(reason(tested) !== null).toBe(last.free === 0);
      }),
      { numRuns: 500 },
    );
  });
});
