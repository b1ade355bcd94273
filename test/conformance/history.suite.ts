/**
 * Random histories against the model: after every step the database and the model must agree on everything.
 *
 * `SEED` replays one history, `STEPS` sets the number of steps of all histories together.
 */
import { after, before, describe, test } from "node:test";
import { createDice, History } from "./history.ts";
import { type LedgerFixture, type LedgerTraits, openSale, POSTGRES_TRAITS } from "./ledger-fixture.ts";

/** Histories stay short so that stock runs out, comes back and runs out again many times. */
const STEPS_PER_HISTORY = 250;
const PAUSED_PROGRESS_MS = 100_000;

/** The SQL and the scripts are the same on both runtimes: by day the second one takes a part of them. */
const SHARE = process.versions["bun"] === undefined && process.env["RUNS"] === undefined ? 0.2 : 1;

export function describeHistories(
  name: string,
  stepsByDefault: number,
  open: () => Promise<LedgerFixture>,
  traits: LedgerTraits = POSTGRES_TRAITS,
): void {
  const steps = Number(process.env["STEPS"] ?? Math.ceil(stepsByDefault * SHARE));
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  describe(`histories: ${name}`, () => {
    let fixture: LedgerFixture;
    before(async () => {
      fixture = await open();
    });
    after(() => fixture.close());

    test(`${steps} random steps agree with the model after each (SEED=${seed})`, {
      timeout: PAUSED_PROGRESS_MS,
    }, async () => {
      const histories = Math.ceil(steps / STEPS_PER_HISTORY);
      for (let index = 0; index < histories; index++) await runHistory(fixture, traits, seed + index);
    });
  });
}

async function runHistory(fixture: LedgerFixture, traits: LedgerTraits, seed: number): Promise<void> {
  const dice = createDice(seed);
  const stocks = [1 + dice(12), 1 + dice(12)];
  const sale = await openSale(fixture, { stocks, perBuyerMax: 1 + dice(3) });
  const history = new History({ fixture, traits, sale, stocks, dice });
  const trace: string[] = [];
  for (let step = 0; step < STEPS_PER_HISTORY; step++) {
    try {
      trace.push(await history.step());
      await history.compare();
    } catch (error) {
      throw new Error(`SEED=${seed}, step ${step} after ${trace.slice(-5).join(", ")}`, { cause: error });
    }
  }
  await history.finish();
}
