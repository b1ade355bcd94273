/**
 * One step of a random history, done to the model and to the real stores, and the comparison of both afterwards.
 *
 * The steps are drawn from a seeded generator, not shrunk structurally: a failing history is named by seed and step.
 */
import assert from "node:assert/strict";
import type { Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { BatchOutcome } from "../../src/ports/ledger.ts";
import { waitUntil } from "../support/waiting.ts";
import { buyerOf, itemIdOf, type LedgerFixture, type LedgerTraits, present, ridOf } from "./ledger-fixture.ts";
import { LedgerModel } from "./model.ts";

const BUYERS = 12;
const KEYS = 6;
const BATCH_MAX = 6;

/** A whole number in [0, below). */
export type Dice = (below: number) => number;

/** Seeded dice (mulberry32): the same seed throws the same history. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Wish {
  readonly rid: Rid;
  readonly buyer: number;
  readonly item: number;
  readonly quantity: number;
}

export class History {
  readonly #fixture: LedgerFixture;
  readonly #traits: LedgerTraits;
  readonly #dice: Dice;
  readonly #model: LedgerModel;
  #sale: Sale;

  constructor(options: {
    fixture: LedgerFixture;
    traits: LedgerTraits;
    sale: Sale;
    stocks: readonly number[];
    dice: Dice;
  }) {
    this.#fixture = options.fixture;
    this.#traits = options.traits;
    this.#sale = options.sale;
    this.#dice = options.dice;
    this.#model = new LedgerModel({ stocks: options.stocks, perBuyerMax: options.sale.perBuyerMax });
  }

  /** Draws and does one step; throws where model and store disagree. Answers the step's name. */
  async step(): Promise<string> {
    const draw = this.#dice(100);
    if (draw < 55) return this.#reserve();
    if (draw < 62) return this.#attach();
    if (draw < 68) return this.#cancel();
    if (draw < 74) return this.#pass();
    if (draw < 80) return this.#expire();
    if (draw < 91) return this.#settle();
    if (draw < 93) return this.#refund();
    if (draw < 96) return this.#adjust();
    return draw < 99 ? this.#pauseOrResume() : this.#fence();
  }

  /** Every stock row, every active quantity and every status equals the model's; the sums are what the CHECKs say. */
  async compare(): Promise<void> {
    const { database, ledger } = this.#fixture;
    const itemIds = this.#sale.items.map((item) => item.itemId);
    for (const stock of await ledger.readStock(itemIds)) {
      const { total, free, held, sold } = this.#model.stock(itemIds.indexOf(stock.itemId));
      assert.deepEqual([stock.total, stock.free, stock.held, stock.sold], [total, free, held, sold]);
      assert.equal(stock.free + stock.granted + stock.held + stock.sold, stock.total);
    }
    const rows = await database.query<{ rid: string; status: string }>(
      { name: "history_orders", text: "SELECT rid, status FROM orders WHERE item_id = ANY ($1::integer[])" },
      [itemIds],
    );
    assert.equal(rows.length, this.#model.orders.size);
    for (const row of rows) assert.equal(row.status, this.#model.orders.get(row.rid)?.status, row.rid);
    const holds = await database.query<{ item_id: number; buyer_id: string; quantity: number }>(
      { name: "history_holds", text: "SELECT * FROM buyer_hold WHERE item_id = ANY ($1::integer[])" },
      [itemIds],
    );
    for (const hold of holds) {
      const buyer = Number(hold.buyer_id.slice("buyer-".length));
      assert.equal(hold.quantity, this.#model.active(itemIds.indexOf(hold.item_id), buyer), hold.buyer_id);
    }
  }

  /** Ends what is expiring, so that the next history on the same database is not offered this one's orders. */
  async finish(): Promise<void> {
    const begun = await this.#fixture.orders.beginExpiry({ rowsMax: 1_000, retryAfterMs: -1 });
    await this.#fixture.orders.finishEnding(begun.map((order) => order.rid));
  }

  async #reserve(): Promise<string> {
    const item = this.#dice(this.#sale.items.length);
    const wishes = this.#drawWishes(item);
    const expected = wishes.map((wish) => this.#model.attempt(wish));
    const ask = async (): Promise<string[]> => {
      const { outcomes } = await this.#fixture.ledger.reserve({
        saleId: this.#sale.id,
        itemId: itemIdOf(this.#sale, item),
        epoch: this.#sale.epoch,
        attempts: wishes.map((wish) => ({ rid: wish.rid, buyerId: buyerOf(wish.buyer), quantity: wish.quantity })),
      });
      return outcomes.map(wordOf);
    };
    let words = await ask();
    if (!this.#traits.isOneQueue && expected[0] === "held" && words[0] === "empty") {
      // On a busy machine buckets may take too long to collect the units; they must be there for who asks again.
      words = await waitUntil("units that are there to be sold", async () => {
        const again = await ask();
        return again[0] === "empty" ? null : again;
      });
    }
    assert.deepEqual(words, expected);
    return "reserve";
  }

  /** Distinct buyers, as the port demands; keys are few, so retries and misused keys come by themselves. */
  #drawWishes(item: number): Wish[] {
    const wishes = new Map<number, Wish>();
    // Without one order for the whole batch only a batch of one can be compared with the model.
    const batchMax = this.#traits.isOneQueue ? BATCH_MAX : 1;
    for (let count = 1 + this.#dice(batchMax); count > 0; count--) {
      const buyer = this.#dice(BUYERS);
      const quantity = this.#dice(12) === 0 ? this.#dice(5) : 1 + this.#dice(this.#sale.perBuyerMax);
      const shelf = this.#traits.seesKeysOfAllItems ? "" : `-${item}`;
      const rid = ridOf(this.#sale, buyerOf(buyer), `key-${this.#dice(KEYS)}-${this.#generation(buyer)}${shelf}`);
      wishes.set(buyer, { rid, buyer, item, quantity });
    }
    return [...wishes.values()];
  }

  /** New keys appear as a buyer's orders grow in number, so a history never runs dry. */
  #generation(buyer: number): number {
    let count = 0;
    for (const order of this.#model.orders.values()) if (order.buyer === buyer) count++;
    return Math.floor(count / 3);
  }

  async #attach(): Promise<string> {
    const rid = this.#drawRid();
    if (rid === null) return "nothing";
    const attached = await this.#fixture.orders.attachPayment({ rid, paymentId: `pay-${rid}` });
    assert.equal(attached, this.#model.attach(rid));
    return "attach";
  }

  async #cancel(): Promise<string> {
    const rid = this.#drawRid();
    if (rid === null) return "nothing";
    const buyer = present(this.#model.orders.get(rid)).buyer;
    await this.#fixture.orders.cancelHold({ rid, buyerId: buyerOf(buyer) });
    this.#model.cancel(rid);
    return "cancel";
  }

  async #pass(): Promise<string> {
    const rid = this.#drawRid();
    if (rid === null) return "nothing";
    await this.#fixture.database.query({ text: "UPDATE orders SET hold_until = 1 WHERE rid = $1" }, [rid]);
    present(this.#model.orders.get(rid)).passed = true;
    return "pass";
  }

  async #expire(): Promise<string> {
    const begun = await this.#fixture.orders.beginExpiry({ rowsMax: 1_000, retryAfterMs: -1 });
    const expected = this.#model.beginExpiry();
    assert.deepEqual(begun.map((order) => order.rid).sort(), expected.sort());
    const chosen = begun.map((order) => order.rid).filter(() => this.#dice(3) > 0);
    // One that may be in any status: only what is expiring may end.
    const any = this.#drawRid();
    if (any !== null && !chosen.includes(any)) chosen.push(any);
    assert.equal(await this.#fixture.orders.finishEnding(chosen), this.#model.finish(chosen));
    return "expire";
  }

  async #settle(): Promise<string> {
    const rid = this.#drawRid();
    if (rid === null) return "nothing";
    const isRightAmount = this.#dice(8) > 0;
    const quantity = present(this.#model.orders.get(rid)).quantity;
    const outcome = await this.#fixture.orders.settlePayment({
      provider: "test",
      notificationId: null,
      paymentId: `pay-${rid}`,
      amount: { amount: quantity * 1_000 + (isRightAmount ? 0 : 1), currency: "EUR" },
    });
    assert.equal(outcome, this.#model.settle(rid, isRightAmount));
    return "settle";
  }

  async #refund(): Promise<string> {
    const rid = this.#drawRid();
    if (rid === null) return "nothing";
    await this.#fixture.orders.completeRefund(rid);
    this.#model.refund(rid);
    return "refund";
  }

  async #adjust(): Promise<string> {
    const item = this.#dice(this.#sale.items.length);
    const delta = this.#dice(9) - 4;
    const sku = present(this.#sale.items[item]).sku;
    const change = this.#fixture.sales.adjustStock({ saleId: this.#sale.id, sku, delta, reason: "history" });
    const done = await change.then(
      () => true,
      () => false,
    );
    assert.equal(done, this.#model.adjust(item, delta));
    return "adjust";
  }

  async #pauseOrResume(): Promise<string> {
    const command = this.#model.phase === "paused" ? "resume" : "pause";
    this.#sale = present(await this.#fixture.sales.commandSale(this.#sale.id, command));
    this.#model.phase = command === "pause" ? "paused" : "scheduled";
    return command;
  }

  async #fence(): Promise<string> {
    this.#sale = await this.#fixture.fence(this.#sale);
    return "fence";
  }

  #drawRid(): Rid | null {
    const rids = [...this.#model.orders.keys()] as Rid[];
    return rids[this.#dice(Math.max(1, rids.length))] ?? null;
  }
}

function wordOf(outcome: BatchOutcome["outcomes"][number]): string {
  if (outcome.kind === "unknown") return outcome.kind;
  if (outcome.kind === "refused") return outcome.reason;
  return outcome.replayed ? "known" : outcome.status;
}
