/**
 * Random histories of the books against the model: after every step database and model must agree on everything.
 *
 * `SEED` replays one history, `STEPS` sets the number of steps of all histories together; `RUNS` scales it for the night.
 */
import { after, before, describe, test } from "node:test";
import { type BooksFixture, withBooks } from "./books-fixture.ts";
import { BooksHistory, freezeClock } from "./books-history.ts";
import { createDice } from "./history.ts";
import { type LedgerFixture, openSale } from "./ledger-fixture.ts";

/** Histories stay short so that stock runs out, comes back and runs out again many times. */
const STEPS_PER_HISTORY = 250;
const RUNS_BY_DAY = 100;
const TABLES = "sale, item, stock, orders, buyer_hold, outbox, stock_adjustment, grant_log, bucket_note";

export function describeBooksHistories(name: string, stepsByDefault: number, open: () => Promise<LedgerFixture>): void {
  const scale = Math.max(1, Number(process.env["RUNS"] ?? RUNS_BY_DAY) / RUNS_BY_DAY);
  const steps = Number(process.env["STEPS"] ?? Math.ceil(stepsByDefault * scale));
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  describe(`histories of the books: ${name}`, () => {
    let fixture: BooksFixture;
    before(async () => {
      fixture = await withBooks(open);
      await freezeClock(fixture.database);
    });
    after(() => fixture.close());

    test(`${steps} random steps agree with the model after each (SEED=${seed})`, {
      timeout: 100_000 * scale,
    }, async () => {
      const histories = Math.ceil(steps / STEPS_PER_HISTORY);
      for (let index = 0; index < histories; index++) await runHistory(fixture, seed + index);
    });
  });
}

async function runHistory(fixture: BooksFixture, seed: number): Promise<void> {
  await fixture.database.query({ text: `TRUNCATE ${TABLES} RESTART IDENTITY CASCADE` });
  await fixture.database.query({ text: "UPDATE frozen_clock SET now = 1900000000000" });
  const dice = createDice(seed);
  const stocks = [4 + dice(30), 1 + dice(12)];
  const sale = await openSale(fixture, { stocks, perBuyerMax: 1 + dice(3), buckets: 1 + dice(2), holdMs: 60_000 });
  const history = new BooksHistory({ fixture, sale, stocks, dice });
  const trace: string[] = [];
  for (let step = 0; step < STEPS_PER_HISTORY; step++) {
    try {
      trace.push(await history.step());
      await history.compare();
    } catch (error) {
      throw new Error(`SEED=${seed}, step ${step} after ${trace.slice(-5).join(", ")}`, { cause: error });
    }
  }
}
