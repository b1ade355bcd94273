/**
 * What happens when a bucket has too few units: asks Postgres, and has units brought before anybody is turned away.
 *
 * Units may be free, on their way, or in another bucket of the item; splitting stock must strand none of them. All who
 * come up empty at a bucket at the same time share one top-up, and nobody waits longer than a moment for it.
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
  readonly #underway = new Map<string, Promise<number>>();

  constructor(parts: EmptyDeskParts) {
    this.#parts = parts;
    this.#question = new StockQuestion(parts);
  }

  /**
   * The item's stock in Postgres, asked after the bucket came up empty, and whether units have arrived at the bucket
   * since. Throws when that cannot be found out, or when the sale is in another epoch: then nobody is turned away.
   */
  async handle(request: {
    readonly sale: Sale;
    readonly address: BucketEpoch;
    readonly attempts: readonly Attempt[];
  }): Promise<{ stock: Stock; hasArrived: boolean }> {
    const { sale, address, attempts } = request;
    const stock = await this.#question.ask(address.itemId);
    if (stock.epoch !== address.epoch) {
      throw new Fault("LEDGER_FENCED", { internal: `epoch ${address.epoch}, Postgres has ${stock.epoch}` });
    }
    // Granted units may lie in a sibling, or be on their way here.
    if (stock.free + stock.granted <= 0) return { stock, hasArrived: false };
    const wanted = attempts.reduce((units, attempt) => units + attempt.quantity, 0);
    const units = Math.max(wanted, shareOf(stock.free, sale.buckets));
    const { itemId, bucket } = address;
    const arrival = this.#topUp(address, () => this.#parts.relay.topUp({ sale, itemId, bucket, units }));
    return { stock, hasArrived: await this.#inTime(address, arrival) };
  }

  /** One at a time for a bucket; who comes meanwhile gets the same answer. */
  #topUp(address: BucketEpoch, begin: () => Promise<number>): Promise<number> {
    const key = keyOf(address);
    const known = this.#underway.get(key);
    if (known !== undefined) return known;
    const work = begin().finally(() => {
      if (this.#underway.get(key) === work) this.#underway.delete(key);
    });
    this.#underway.set(key, work);
    return work;
  }

  /** False after the waiting time; who comes up empty after that begins anew. */
  #inTime(address: BucketEpoch, arrival: Promise<number>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.setTimer(TOP_UP_WAIT_MS_MAX, () => {
        const key = keyOf(address);
        if (this.#underway.get(key) === arrival) this.#underway.delete(key);
        resolve(false);
      });
      arrival.then((units) => resolve(units > 0), reject).finally(cancel);
    });
  }
}

function keyOf({ itemId, bucket, epoch }: BucketEpoch): string {
  return `${itemId}.${bucket}.${epoch}`;
}
