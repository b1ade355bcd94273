/**
 * Whatever the ledger does and in whatever order it answers, each attempt ends once, truthfully, and within bounds.
 *
 * The ledger in memory decides at once and may lose its answer, so an attempt that ended as unknown may well have been
 * accepted; what must never be is an attempt that was told something the ledger did not decide.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock, settle } from "../../test/support/manual-clock.ts";
import { type Fate, MemoryLedger } from "../../test/support/memory-ledger.ts";
import { evenRandom } from "../../test/support/recording-log.ts";
import { isFault } from "../domain/faults.ts";
import type { BuyerId, Rid, SaleId } from "../domain/ids.ts";
import type { Attempt, AttemptOutcome } from "../ports/ledger.ts";
import { BATCH_ATTEMPTS_MAX, Batcher, FLIGHTS_MAX, type FlushReport } from "./batcher.ts";

type Ending = AttemptOutcome | "busy" | "unknown" | "bug";

function setting(stock: number, perBuyerMax = 2) {
  const clock = new ManualClock();
  const ledger = new MemoryLedger();
  ledger.addItem(1, stock, { perBuyerMax });
  const reports: FlushReport[] = [];
  let openCalls = 0;
  let openCallsMax = 0;
  let knownEpoch = 1;
  const batcher = new Batcher({
    ledger: {
      async reserve(batch) {
        openCalls += 1;
        openCallsMax = Math.max(openCallsMax, openCalls);
        try {
          return await ledger.reserve(batch);
        } finally {
          openCalls -= 1;
        }
      },
    },
    clock,
    random: evenRandom(),
    saleId: "demo" as SaleId,
    itemId: 1,
    epoch: () => knownEpoch,
    refreshEpoch: async () => {
      knownEpoch = ledger.item(1).epoch;
    },
    onFlush: (report) => reports.push(report),
  });
  const submit = async (attempt: Attempt): Promise<Ending> => {
    try {
      return await batcher.submit(attempt);
    } catch (error) {
      if (isFault(error, "LEDGER_OVERLOADED")) return "busy";
      return isFault(error, "LEDGER_UNAVAILABLE") ? "unknown" : "bug";
    }
  };
  return { clock, ledger, batcher, reports, submit, openCallsMax: () => openCallsMax };
}

function attempt(rid: string, buyerId: string, quantity = 1): Attempt {
  return { rid: rid as Rid, buyerId: buyerId as BuyerId, quantity };
}

/** Moves the clock until everybody has his answer; 20 s are more than all deadlines together. */
async function finish(clock: ManualClock, endings: readonly Promise<Ending>[]): Promise<Ending[]> {
  let isDone = false;
  const all = Promise.all(endings).finally(() => {
    isDone = true;
  });
  for (let step = 0; step < 400 && !isDone; step += 1) await clock.advance(50);
  expect(isDone).toBe(true);
  return all;
}

const wish = fc.record({
  buyer: fc.integer({ min: 0, max: 5 }),
  key: fc.integer({ min: 0, max: 3 }),
  quantity: fc.integer({ min: 1, max: 2 }),
  afterMs: fc.constantFrom(0, 0, 0, 1, 3),
});
const fate: fc.Arbitrary<Fate> = fc.constantFrom("answer", "answer", "answer", "lose-answer", "lose-call", "hang");

describe("batcher", () => {
  test("tells everybody what the ledger decided, through lost calls, lost answers and hanging ones", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(wish, { minLength: 1, maxLength: 60 }),
        fc.array(fate, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 12 }),
        async (wishes, fates, stock) => {
          const { clock, ledger, batcher, submit } = setting(stock);
          let call = 0;
          ledger.fateOf = () => fates[call++ % fates.length] ?? "answer";
          const asked = wishes.map((each) => attempt(`r${each.buyer}-${each.key}`, `b${each.buyer}`, each.quantity));
          const endings: Promise<Ending>[] = [];
          for (const [index, each] of wishes.entries()) {
            await clock.advance(each.afterMs);
            endings.push(submit(asked[index] as Attempt));
          }
          const ended = await finish(clock, endings);

          for (const [index, ending] of ended.entries()) {
            const { rid, quantity } = asked[index] as Attempt;
            expect(ending).not.toBe("bug");
            if (typeof ending === "string") continue;
            const decided = ledger.accepted.get(rid);
            if (ending.kind === "accepted") expect(decided?.quantity).toBe(quantity);
            else if (ending.reason !== "key_reused") expect(decided?.quantity).not.toBe(quantity);
          }
          expect(ledger.item(1).free).toBeGreaterThanOrEqual(0);
          for (let buyer = 0; buyer <= 5; buyer += 1) expect(ledger.unitsOf(1, `b${buyer}`)).toBeLessThanOrEqual(2);
          expect(batcher.pendingCount).toBe(0);
          expect(batcher.flightCount).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("keeps every bound: batch size, unique rids and buyers in a batch, flushes under way", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(wish, { minLength: 1, maxLength: 400 }), async (scheduler, wishes) => {
        const { clock, ledger, submit, openCallsMax } = setting(1_000, 1_000);
        // Answers come in an order that the scheduler chooses.
        ledger.delay = () => scheduler.schedule(Promise.resolve());
        const endings = wishes.map((each, index) => {
          const buyer = `b${each.buyer + (index % 7) * 10}`;
          return submit(attempt(`r${each.key === 0 ? 0 : index}-${buyer}`, buyer, 1));
        });
        let isDone = false;
        const all = Promise.all(endings).finally(() => {
          isDone = true;
        });
        for (let step = 0; step < 5_000 && !isDone; step += 1) {
          await clock.advance(1);
          if (scheduler.count() > 0) await scheduler.waitOne();
          await settle();
        }
        expect(isDone).toBe(true);
        expect((await all).every((ending) => typeof ending !== "string")).toBe(true);
        expect(openCallsMax()).toBeLessThanOrEqual(FLIGHTS_MAX);
        for (const { attempts } of ledger.batches) {
          expect(attempts.length).toBeLessThanOrEqual(BATCH_ATTEMPTS_MAX);
          expect(new Set(attempts.map((each) => each.rid)).size).toBe(attempts.length);
          expect(new Set(attempts.map((each) => each.buyerId)).size).toBe(attempts.length);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("an attempt that ended as busy was never sent", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { minLength: 1, maxLength: 20 }), async (fates) => {
        const { clock, ledger, submit } = setting(5_000);
        let call = 0;
        ledger.fateOf = () => fates[call++ % fates.length] ?? "answer";
        const asked = Array.from({ length: 1_500 }, (_, index) => attempt(`r${index}`, `b${index}`));
        const ended = await finish(clock, asked.map(submit));
        const sent = new Set(ledger.batches.flatMap((batch) => batch.attempts.map((each) => each.rid)));
        for (const [index, ending] of ended.entries()) {
          if (ending === "busy") expect(sent.has((asked[index] as Attempt).rid)).toBe(false);
        }
      }),
      { numRuns: 30 },
    );
  });
});
