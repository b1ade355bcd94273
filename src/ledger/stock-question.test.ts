/** Postgres is asked often enough for the truth and seldom enough to bear it. */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { MemoryLedger } from "../../test/support/memory-ledger.ts";
import { QUESTION_DEADLINE_MS, QUESTION_INTERVAL_MS, StockQuestion } from "./stock-question.ts";

function setting() {
  const clock = new ManualClock();
  const ledger = new MemoryLedger();
  for (const itemId of [1, 2]) ledger.addItem(itemId, 10);
  const state: { gate: Promise<void> | null; asked: number[][] } = { gate: null, asked: [] };
  const postgres = {
    readStock: async (itemIds: readonly number[]) => {
      state.asked.push([...itemIds]);
      const read = await ledger.readStock(itemIds);
      await state.gate;
      return read;
    },
  };
  return { clock, ledger, state, question: new StockQuestion({ postgres, clock }) };
}

describe("the question for the stock", () => {
  test("the first is asked at once; those that come while it is read share the next one, of all their items", async () => {
    const { clock, state, question } = setting();
    let open: () => void = () => undefined;
    state.gate = new Promise((resolve) => (open = resolve));
    const first = question.ask(1);
    const others = [question.ask(1), question.ask(2), question.ask(1)];
    await clock.advance(0);
    expect(state.asked).toEqual([[1]]);
    open();
    await first;
    await clock.advance(QUESTION_INTERVAL_MS);
    expect((await Promise.all(others)).map((stock) => stock.itemId)).toEqual([1, 2, 1]);
    expect(state.asked).toEqual([[1], [1, 2]]);
  });

  test("an answer is never older than its question", async () => {
    const { clock, ledger, state, question } = setting();
    let open: () => void = () => undefined;
    state.gate = new Promise((resolve) => (open = resolve));
    const before = question.ask(1);
    await clock.advance(0);
    ledger.release(1, 5);
    const after = question.ask(1);
    open();
    expect((await before).free).toBe(10);
    await clock.advance(QUESTION_INTERVAL_MS);
    expect((await after).free).toBe(15);
  });

  test("two readings begin at least an interval apart, however many ask", async () => {
    const { clock, state, question } = setting();
    for (let index = 0; index < 100; index += 1) {
      void question.ask(1);
      await clock.advance(1);
    }
    expect(state.asked.length).toBeLessThanOrEqual(Math.ceil(100 / QUESTION_INTERVAL_MS) + 1);
    expect(state.asked.length).toBeGreaterThan(2);
  });

  test("a reading that hangs fails those who asked and nobody after them", async () => {
    const { clock, state, question } = setting();
    state.gate = new Promise(() => undefined);
    const hanging = question.ask(1).catch((error: unknown) => error);
    const next = question.ask(1);
    await clock.advance(1);
    state.gate = null;
    await clock.advance(QUESTION_DEADLINE_MS);
    expect(await hanging).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect((await next).free).toBe(10);
  });

  test("an item without a stock row is a fault, not an empty shelf", async () => {
    const { question } = setting();
    expect(await question.ask(9).catch((error: unknown) => error)).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });
});
