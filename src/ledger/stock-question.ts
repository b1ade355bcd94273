/**
 * Asks Postgres what is left of an item, for all who want to know it at once and not too often.
 *
 * An answer is only ever one that was read after the question, because a bucket that came up empty may have done so a
 * moment before units returned. One reading at a time, and a pause between two: at the end of a sale every flush of every
 * item asks.
 */
import { Fault } from "../domain/faults.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger, Stock } from "../ports/ledger.ts";
import { within } from "./deadline.ts";

/** From the start of one reading to the start of the next, at least. */
export const QUESTION_INTERVAL_MS = 25;
/** A reading without an answer after this has failed. */
export const QUESTION_DEADLINE_MS = 1_500;

interface Round {
  readonly itemIds: Set<number>;
  readonly answer: Promise<ReadonlyMap<number, Stock>>;
  readonly start: () => void;
}

/** See the head of this file. */
export class StockQuestion {
  readonly #postgres: Pick<Ledger, "readStock">;
  readonly #clock: Clock;
  #next: Round | null = null;
  #isReading = false;
  #startedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: { postgres: Pick<Ledger, "readStock">; clock: Clock }) {
    this.#postgres = parts.postgres;
    this.#clock = parts.clock;
  }

  /** The item's stock in Postgres as it was at some time after this call. Throws what reading throws. */
  async ask(itemId: number): Promise<Stock> {
    const round = this.#next ?? this.#open();
    round.itemIds.add(itemId);
    if (!this.#isReading) this.#startSoon();
    const stock = (await round.answer).get(itemId);
    if (stock === undefined) throw new Fault("LEDGER_UNAVAILABLE", { internal: `item ${itemId} has no stock row` });
    return stock;
  }

  #open(): Round {
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<number, Stock>>();
    const itemIds = new Set<number>();
    const start = () => {
      this.#next = null;
      this.#isReading = true;
      this.#startedAtMs = this.#clock.monotonicMs();
      this.#read([...itemIds])
        .then(resolve, reject)
        .finally(() => {
          this.#isReading = false;
          if (this.#next !== null) this.#startSoon();
        });
    };
    this.#next = { itemIds, answer: promise, start };
    return this.#next;
  }

  #startSoon(): void {
    const round = this.#next;
    if (round === null) return;
    const delayMs = this.#startedAtMs + QUESTION_INTERVAL_MS - this.#clock.monotonicMs();
    if (delayMs <= 0) {
      round.start();
      return;
    }
    // Marked as reading, so that nobody else starts a timer for the same round.
    this.#isReading = true;
    this.#clock.setTimer(delayMs, round.start);
  }

  async #read(itemIds: readonly number[]): Promise<ReadonlyMap<number, Stock>> {
    const wait = { clock: this.#clock, limitMs: QUESTION_DEADLINE_MS, what: "reading the stock" };
    const stocks = await within(wait, this.#postgres.readStock(itemIds));
    return new Map(stocks.map((stock) => [stock.itemId, stock]));
  }
}
