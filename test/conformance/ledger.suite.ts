/**
 * What every ledger promises, whichever adapter: the suite of docs/spec/ledger.md, run against real databases.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isFault } from "../../src/domain/faults.ts";
import type { BuyerId } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { BatchOutcome, Stock } from "../../src/ports/ledger.ts";
import { waitUntil } from "../support/waiting.ts";
import {
  buyerOf,
  itemIdOf,
  type LedgerFixture,
  type LedgerTraits,
  openSale,
  POSTGRES_TRAITS,
  present,
  ridOf,
} from "./ledger-fixture.ts";

/** One attempt alone in its batch; answers "held", "known" or the reason of the refusal. */
async function attempt(
  fixture: LedgerFixture,
  sale: Sale,
  wish: { buyer: BuyerId; key: string; quantity?: number; index?: number; epoch?: number },
): Promise<string> {
  const { outcomes } = await fixture.ledger.reserve({
    saleId: sale.id,
    itemId: itemIdOf(sale, wish.index ?? 0),
    epoch: wish.epoch ?? sale.epoch,
    attempts: [{ rid: ridOf(sale, wish.buyer, wish.key), buyerId: wish.buyer, quantity: wish.quantity ?? 1 }],
  });
  return word(present(outcomes[0]));
}

function word(outcome: BatchOutcome["outcomes"][number]): string {
  if (outcome.kind === "unknown") return outcome.kind;
  if (outcome.kind === "refused") return outcome.reason;
  return outcome.replayed ? "known" : outcome.status;
}

async function stockOf(fixture: LedgerFixture, sale: Sale, index = 0): Promise<Stock> {
  return present((await fixture.ledger.readStock([itemIdOf(sale, index)]))[0]);
}

export function describeLedger(
  name: string,
  open: () => Promise<LedgerFixture>,
  traits: LedgerTraits = POSTGRES_TRAITS,
): void {
  describe(`ledger: ${name}`, () => {
    let fixture: LedgerFixture;
    before(async () => {
      fixture = await open();
    });
    after(() => fixture.close());

    test("sells exactly the stock and then says empty, not sold out, while holds are unpaid", async () => {
      const sale = await openSale(fixture, { stocks: [3] });
      const words = [];
      for (let index = 0; index < 5; index++) {
        words.push(await attempt(fixture, sale, { buyer: buyerOf(index), key: "k" }));
      }
      assert.deepEqual(words, ["held", "held", "held", "empty", "empty"]);
      const stock = await stockOf(fixture, sale);
      assert.deepEqual([stock.total, stock.free, stock.held, stock.sold, stock.seq], [3, 0, 3, 0, 3]);
    });

    test("says sold out only when every unit is paid", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const buyer = buyerOf(0);
      await attempt(fixture, sale, { buyer, key: "k" });
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), "empty");
      await fixture.orders.attachPayment({ rid: ridOf(sale, buyer, "k"), paymentId: `pay-${sale.id}` });
      const amount = { amount: 1_000, currency: "EUR" };
      const settled = { provider: "test", notificationId: null, paymentId: `pay-${sale.id}`, amount };
      assert.equal(await fixture.orders.settlePayment(settled), "paid");
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), "sold_out");
    });

    test("fills the last units with smaller wishes when a larger one does not fit", async () => {
      const sale = await openSale(fixture, { stocks: [3] });
      const { outcomes } = await fixture.ledger.reserve({
        saleId: sale.id,
        itemId: itemIdOf(sale),
        epoch: sale.epoch,
        attempts: [2, 2, 1].map((quantity, index) => ({
          rid: ridOf(sale, buyerOf(index), "k"),
          buyerId: buyerOf(index),
          quantity,
        })),
      });
      const words = outcomes.map(word);
      if (traits.isOneQueue) assert.deepEqual(words, ["held", "empty", "held"]);
      // Buckets may take too long to collect the last units for a wish; whoever asks next finds them.
      await waitUntil("the last unit to be sold", async () => {
        const stock = await stockOf(fixture, sale);
        if (stock.free > 0) words.push(await attempt(fixture, sale, { buyer: buyerOf(`r${words.length}`), key: "k" }));
        return stock.held === 3;
      });
      assert.ok(words.includes("held") && words.every((each) => each === "held" || each === "empty"));
    });

    test("says how many are left to whoever asked for more, and nothing of the kind when none are", async () => {
      const sale = await openSale(fixture, { stocks: [3], perBuyerMax: 4 });
      const ask = async (buyer: BuyerId, quantity: number) => {
        const batch = { saleId: sale.id, itemId: itemIdOf(sale), epoch: sale.epoch };
        const attempts = [{ rid: ridOf(sale, buyer, "k"), buyerId: buyer, quantity }];
        return present((await fixture.ledger.reserve({ ...batch, attempts })).outcomes[0]);
      };
      assert.equal(word(await ask(buyerOf("first"), 1)), "held");
      const told = await ask(buyerOf("late"), 3);
      assert.equal(word(told), "empty");
      const left = told.kind === "refused" ? told.left : undefined;
      if (traits.isOneQueue) assert.equal(left, 2);
      // Of several buckets, the buyer's may have none or one of the two.
      else assert.ok(left === undefined || left === 1 || left === 2, String(left));
      assert.equal(word(await ask(buyerOf("modest"), 2)), "held");
      assert.deepEqual(await ask(buyerOf("later"), 1), { kind: "refused", reason: "empty" });
    });

    test("answers an accepted key the same way for ever: before window, limit and stock", async () => {
      const sale = await openSale(fixture, { stocks: [1], perBuyerMax: 1 });
      const buyer = buyerOf(0);
      assert.equal(await attempt(fixture, sale, { buyer, key: "k" }), "held");
      assert.equal(await attempt(fixture, sale, { buyer, key: "k" }), "known");
      await fixture.sales.commandSale(sale.id, "pause");
      assert.equal(await attempt(fixture, sale, { buyer, key: "k" }), "known");
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), "paused");
      await fixture.sales.commandSale(sale.id, "close");
      assert.equal(await attempt(fixture, sale, { buyer, key: "k" }), "known");
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), "closed");
    });

    test("refuses a key that was used for another quantity or another item", async () => {
      const sale = await openSale(fixture, { stocks: [9, 9] });
      const buyer = buyerOf(0);
      assert.equal(await attempt(fixture, sale, { buyer, key: "k" }), "held");
      assert.equal(await attempt(fixture, sale, { buyer, key: "k", quantity: 2 }), "key_reused");
      const other = await attempt(fixture, sale, { buyer, key: "k", index: 1 });
      if (traits.seesKeysOfAllItems) assert.equal(other, "key_reused");
      else assert.equal(other, "queued");
      await waitUntil("the other item to be whole", async () => (await stockOf(fixture, sale, 1)).free === 9);
      assert.equal(await attempt(fixture, sale, { buyer, key: "k" }), "known");
    });

    test("stores nothing for a refusal, so the same key may succeed later", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      await attempt(fixture, sale, { buyer: buyerOf(0), key: "k" });
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), "empty");
      await fixture.orders.cancelHold({ rid: ridOf(sale, buyerOf(0), "k"), buyerId: buyerOf(0) });
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), "held");
    });

    test("an attempt whose hold has ended stays ended, and its units count no more against the limit", async () => {
      const sale = await openSale(fixture, { stocks: [5], perBuyerMax: 1 });
      const buyer = buyerOf(0);
      await attempt(fixture, sale, { buyer, key: "one" });
      assert.equal(await attempt(fixture, sale, { buyer, key: "two" }), "limit_reached");
      await fixture.orders.cancelHold({ rid: ridOf(sale, buyer, "one"), buyerId: buyer });
      assert.equal(await attempt(fixture, sale, { buyer, key: "one" }), "ended");
      assert.equal(await attempt(fixture, sale, { buyer, key: "two" }), "held");
    });

    test("keeps the window: not a moment early, not a moment late", async () => {
      const later = await openSale(fixture, { stocks: [1], opensAt: Date.now() + 3_600_000 });
      assert.equal(await attempt(fixture, later, { buyer: buyerOf(0), key: "k" }), "not_open");
      const over = await openSale(fixture, { stocks: [1], closesAt: Date.now() - 1 });
      assert.equal(await attempt(fixture, over, { buyer: buyerOf(0), key: "k" }), "closed");
    });

    test("refuses quantities below one and above the item's limit", async () => {
      const sale = await openSale(fixture, { stocks: [9], perBuyerMax: 2 });
      for (const quantity of [0, -1, 3]) {
        assert.equal(await attempt(fixture, sale, { buyer: buyerOf(quantity), key: "k", quantity }), "bad_quantity");
      }
    });

    test("a batch of an older epoch changes nothing", async () => {
      const sale = await openSale(fixture, { stocks: [2] });
      await attempt(fixture, sale, { buyer: buyerOf(0), key: "k" });
      const { epoch } = await fixture.fence(sale);
      assert.ok(epoch > sale.epoch);
      await assert.rejects(attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), (error) =>
        isFault(error, "LEDGER_FENCED"),
      );
      assert.equal((await stockOf(fixture, sale)).free, 1);
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(1), key: "k", epoch }), "held");
      assert.equal(await attempt(fixture, sale, { buyer: buyerOf(0), key: "k", epoch }), "known");
    });

    test("a batch for a ledger in another mode changes nothing", async () => {
      const sale = await openSale(fixture, { stocks: [2] });
      await fixture.stopSelling(sale);
      await assert.rejects(attempt(fixture, sale, { buyer: buyerOf(1), key: "k" }), (error) =>
        isFault(error, "LEDGER_FENCED"),
      );
      assert.equal((await stockOf(fixture, sale)).free, 2);
    });

    test("raises the stock's version when units come back, and only then", async () => {
      const sale = await openSale(fixture, { stocks: [2] });
      const { version } = await stockOf(fixture, sale);
      await attempt(fixture, sale, { buyer: buyerOf(0), key: "k" });
      assert.equal((await stockOf(fixture, sale)).version, version);
      await fixture.orders.cancelHold({ rid: ridOf(sale, buyerOf(0), "k"), buyerId: buyerOf(0) });
      assert.equal((await stockOf(fixture, sale)).version, version + 1);
    });

    test("reads holders in pages, complete and in order, and nothing twice", async () => {
      const sale = await openSale(fixture, { stocks: [5] });
      for (let index = 0; index < 5; index++) await attempt(fixture, sale, { buyer: buyerOf(index), key: "k" });
      const seen: string[] = [];
      let cursor = "";
      for (let pages = 0; pages < 12; pages++) {
        const page = await fixture.ledger.readHolders({ itemId: itemIdOf(sale), cursor, rowsMax: 2 });
        seen.push(...page.buyerIds);
        cursor = page.cursor;
      }
      const expected = [0, 1, 2, 3, 4].map(buyerOf);
      if (traits.readsHoldersOnce) assert.deepEqual(seen, expected);
      if (traits.isOneQueue) assert.deepEqual([...new Set(seen)], expected);
      assert.deepEqual([...new Set(seen)].sort(), expected);
      const rest = await fixture.ledger.readHolders({ itemId: itemIdOf(sale), cursor, rowsMax: 9 });
      assert.deepEqual(rest, { buyerIds: [], cursor });
    });

    test("the CHECKs hold for every code path: no statement can oversell, unbalance or exceed a limit", async () => {
      const sale = await openSale(fixture, { stocks: [2], perBuyerMax: 1 });
      await attempt(fixture, sale, { buyer: buyerOf(0), key: "k" });
      const itemId = itemIdOf(sale);
      const forbidden = [
        "UPDATE stock SET sold = sold + 1 WHERE item_id = $1",
        "UPDATE stock SET free = free - 2, held = held + 2 WHERE item_id = $1",
        "UPDATE stock SET total = total - 2, free = free - 2 WHERE item_id = $1",
        "UPDATE buyer_hold SET quantity = quantity + 1 WHERE item_id = $1",
      ];
      for (const text of forbidden) {
        await assert.rejects(fixture.database.query({ text }, [itemId]), (error) => isFault(error, "DATABASE_REFUSED"));
      }
    });
  });
}
