/**
 * What happens when a bucket has too few units: asks Postgres, and has units brought before anybody is turned away.
 *
 * Units may be free, on their way, or in another bucket of the item; splitting stock must strand none of them. Those who
 * come up empty take turns, and nobody waits longer than a moment.
 */
import { Fault } from "../domain/faults.ts";
import type { Sale } from "../domain/sale.ts";
import type { BucketEpoch } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Attempt, Ledger, Stock } from "../ports/ledger.ts";
import { type Relay, shareOf } from "./relay.ts";
import { StockQuestion } from "./stock-question.ts";

/** How long refused attempts wait for units to arrive. */
export const TOP_UP_WAIT_MS_MAX = 150;

export interface EmptyDeskParts {
  readonly postgres: Pick<Ledger, "readStock">;
  readonly relay: Pick<Relay, "topUp">;
  readonly clock: Clock;
}

/** See the head of this file. */
export class EmptyDesk {
  readonly #parts: EmptyDeskParts;
  readonly #question: StockQuestion;
  /** By item: the end of the last turn. Never rejects. */
  readonly #turns = new Map<number, Promise<unknown>>();

  constructor(parts: EmptyDeskParts) {
    this.#parts = parts;
    this.#question = new StockQuestion(parts);
  }

  /**
   * The item's stock in Postgres, asked after the bucket came up empty; and, if units could be brought to the bucket, what
   * asking again has answered. Throws when that cannot be found out, or when the sale is in another epoch: then nobody is
   * turned away.
   */
  async handle<Answer>(
    request: { readonly sale: Sale; readonly address: BucketEpoch; readonly attempts: readonly Attempt[] },
    askAgain: () => Promise<Answer>,
  ): Promise<{ stock: Stock; answer: Answer | null }> {
    const { sale, address, attempts } = request;
    const { itemId, bucket } = address;
    const stock = await this.askStock(address);
    // Granted units may lie in a sibling, or be on their way here.
    if (stock.free + stock.granted <= 0) return { stock, answer: null };
    const wanted = attempts.reduce((units, attempt) => units + attempt.quantity, 0);
    const units = Math.max(wanted, shareOf(stock.free, sale.buckets));
    const bring = () => this.#parts.relay.topUp({ sale, itemId, bucket, units });
    return { stock, answer: await this.#takeTurn(itemId, bring, askAgain) };
  }

  /**
   * The item's stock in Postgres after this call, in the bucket's epoch. Throws when that cannot be found out, or when the
   * sale is in another epoch: then what the bucket says is not true any more, and maybe was not when it said so.
   */
  async askStock({ itemId, epoch }: BucketEpoch): Promise<Stock> {
    const stock = await this.#question.ask(itemId);
    if (stock.epoch === epoch) return stock;
    throw new Fault("LEDGER_FENCED", { internal: `epoch ${epoch}, Postgres has ${stock.epoch}` });
  }

  /**
   * Brings units and asks again, one bucket of the item after the other: two that bring at the same time would take the
   * last units from each other for ever. Null when nothing came in time; a turn that hangs ends with its waiting time.
   */
  #takeTurn<Answer>(
    itemId: number,
    bring: () => Promise<number>,
    askAgain: () => Promise<Answer>,
  ): Promise<Answer | null> {
    const before = this.#turns.get(itemId) ?? Promise.resolve();
    const turn = this.#inTime(async (isOver) => {
      await before;
      if (isOver()) return null;
      return (await bring()) > 0 ? askAgain : null;
    });
    const ended = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(itemId, ended);
    void ended.then(() => {
      if (this.#turns.get(itemId) === ended) this.#turns.delete(itemId);
    });
    return turn;
  }

  #inTime<Answer>(prepare: (isOver: () => boolean) => Promise<(() => Promise<Answer>) | null>): Promise<Answer | null> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const cancel = this.#parts.clock.setTimer(TOP_UP_WAIT_MS_MAX, () => {
        isOver = true;
        resolve(null);
      });
      prepare(() => isOver)
        .then((askAgain) => {
          cancel();
          // Once somebody was told that nothing came, nothing may be reserved for him any more.
          return askAgain === null || isOver ? null : askAgain();
        })
        .then(resolve, reject);
    });
  }
}
