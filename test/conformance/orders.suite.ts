/**
 * What happens after a reservation was won: endings, money in time, money too late, events. Run on real databases.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { BuyerId, Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Stock } from "../../src/ports/ledger.ts";
import { buyerOf, itemIdOf, type LedgerFixture, openSale, present, ridOf } from "./ledger-fixture.ts";

const PRICE = { amount: 1_000, currency: "EUR" };

export function describeOrders(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`orders: ${name}`, () => {
    let fixture: LedgerFixture;
    before(async () => {
      fixture = await open();
    });
    after(() => fixture.close());

    async function hold(sale: Sale, buyer: BuyerId, key = "k"): Promise<Rid> {
      const rid = ridOf(sale, buyer, key);
      const { outcomes } = await fixture.ledger.reserve({
        saleId: sale.id,
        itemId: itemIdOf(sale),
        epoch: sale.epoch,
        attempts: [{ rid, buyerId: buyer, quantity: 1 }],
      });
      assert.equal(outcomes[0]?.kind, "accepted");
      return rid;
    }

    async function stock(sale: Sale): Promise<Stock> {
      return present((await fixture.ledger.readStock([itemIdOf(sale)]))[0]);
    }

    async function status(rid: Rid): Promise<string> {
      return present(await fixture.orders.findOrder(rid)).status;
    }

    /** Lets the hold's time pass without waiting for it. */
    async function passHold(rid: Rid): Promise<void> {
      await fixture.database.query({ text: "UPDATE orders SET hold_until = 1 WHERE rid = $1" }, [rid]);
    }

    async function expire(rid: Rid): Promise<void> {
      await passHold(rid);
      await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 0 });
      await fixture.orders.finishEnding([rid]);
      assert.equal(await status(rid), "expired");
    }

    function pay(rid: Rid, options: { amount?: number; notificationId?: string | null } = {}) {
      return fixture.orders.settlePayment({
        provider: "test",
        notificationId: options.notificationId ?? null,
        paymentId: `pay-${rid}`,
        amount: { ...PRICE, amount: options.amount ?? PRICE.amount },
      });
    }

    async function holdWithPayment(sale: Sale, buyer: BuyerId): Promise<Rid> {
      const rid = await hold(sale, buyer);
      assert.equal(await fixture.orders.attachPayment({ rid, paymentId: `pay-${rid}` }), true);
      return rid;
    }

    test("a hold without a payment is cancelled and released at once, and cancelling again changes nothing", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await hold(sale, buyerOf(0));
      for (let times = 0; times < 2; times++) {
        const order = await fixture.orders.cancelHold({ rid, buyerId: buyerOf(0) });
        assert.equal(order?.status, "cancelled");
      }
      assert.deepEqual([(await stock(sale)).free, (await stock(sale)).held], [1, 0]);
    });

    test("nobody cancels another buyer's hold", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await hold(sale, buyerOf(0));
      assert.equal(await fixture.orders.cancelHold({ rid, buyerId: buyerOf(1) }), null);
      assert.equal(await status(rid), "held");
    });

    test("a hold with a payment is not released before the provider cancelled", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      await fixture.orders.cancelHold({ rid, buyerId: buyerOf(0) });
      assert.deepEqual([await status(rid), (await stock(sale)).free], ["expiring", 0]);
      assert.equal(await fixture.orders.finishEnding([rid]), 1);
      assert.deepEqual([await status(rid), (await stock(sale)).free], ["cancelled", 1]);
      assert.equal(await fixture.orders.finishEnding([rid]), 0);
    });

    test("a passed hold begins to expire once, is offered again only after the retry interval, and comes home once", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      await passHold(rid);
      const first = await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 60_000 });
      assert.deepEqual(
        first.map((order) => [order.rid, order.paymentId]),
        [[rid, `pay-${rid}`]],
      );
      assert.deepEqual(await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 60_000 }), []);
      assert.equal((await stock(sale)).free, 0);
      const both = await Promise.all([fixture.orders.finishEnding([rid]), fixture.orders.finishEnding([rid])]);
      assert.deepEqual(both.sort(), [0, 1]);
      assert.deepEqual([await status(rid), (await stock(sale)).free], ["expired", 1]);
    });

    test("a payment cannot be attached to an ended hold, nor a second one to a held order", async () => {
      const sale = await openSale(fixture, { stocks: [2] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      assert.equal(await fixture.orders.attachPayment({ rid, paymentId: `pay-${rid}` }), true);
      assert.equal(await fixture.orders.attachPayment({ rid, paymentId: "another" }), false);
      const ended = await hold(sale, buyerOf(1));
      await fixture.orders.cancelHold({ rid: ended, buyerId: buyerOf(1) });
      assert.equal(await fixture.orders.attachPayment({ rid: ended, paymentId: "late" }), false);
    });

    test("money in time makes it paid, once, however often and by whichever road it is told", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      const notificationId = `n-${rid}`;
      const told = await Promise.all(Array.from({ length: 10 }, () => pay(rid, { notificationId })));
      assert.deepEqual(told.filter((outcome) => outcome === "paid").length, 1);
      assert.equal(await pay(rid), "unchanged");
      assert.deepEqual([(await stock(sale)).held, (await stock(sale)).sold], [0, 1]);
    });

    test("money while the hold is expiring still makes it paid, and the ending then does nothing", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      await passHold(rid);
      await fixture.orders.beginExpiry({ rowsMax: 500, retryAfterMs: 0 });
      assert.equal(await pay(rid), "paid");
      assert.equal(await fixture.orders.finishEnding([rid]), 0);
      assert.deepEqual([await status(rid), (await stock(sale)).sold], ["paid", 1]);
    });

    test("late money re-acquires the units while some are free", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      await expire(rid);
      assert.equal(await pay(rid), "paid");
      assert.deepEqual([(await stock(sale)).free, (await stock(sale)).sold], [0, 1]);
    });

    test("late money is due back when the units went to somebody else", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      await expire(rid);
      await hold(sale, buyerOf(1));
      assert.equal(await pay(rid), "refund_due");
      const due = await fixture.orders.takeRefundsDue({ rowsMax: 500, retryAfterMs: 60_000 });
      assert.deepEqual(due, [{ rid, paymentId: `pay-${rid}`, amount: PRICE }]);
      assert.deepEqual(await fixture.orders.takeRefundsDue({ rowsMax: 500, retryAfterMs: 60_000 }), []);
      await fixture.orders.completeRefund(rid);
      assert.equal(await status(rid), "refunded");
      assert.deepEqual([(await stock(sale)).held, (await stock(sale)).sold], [1, 0]);
    });

    test("late money is due back when the buyer has bought up to the limit since", async () => {
      const sale = await openSale(fixture, { stocks: [5], perBuyerMax: 1 });
      const rid = await holdWithPayment(sale, buyerOf(0));
      await expire(rid);
      await hold(sale, buyerOf(0), "again");
      assert.equal(await pay(rid), "refund_due");
    });

    test("a wrong amount is never a sale: the unit comes home and the money is due back", async () => {
      const sale = await openSale(fixture, { stocks: [1] });
      const rid = await holdWithPayment(sale, buyerOf(0));
      assert.equal(await pay(rid, { amount: PRICE.amount - 1 }), "refund_due");
      assert.deepEqual([(await stock(sale)).free, (await stock(sale)).sold], [1, 0]);
    });

    test("money for a payment nobody knows changes nothing and is not remembered", async () => {
      const unknown = { provider: "test", notificationId: "n-x", paymentId: "nobody", amount: PRICE };
      assert.equal(await fixture.orders.settlePayment(unknown), "unknown");
      assert.equal(await fixture.orders.settlePayment(unknown), "unknown");
    });

    test("every change is in the event log once, in commit order, and only after its commit", async () => {
      const sale = await openSale(fixture, { stocks: [3] });
      const start = await fixture.events.tip();
      const first = await hold(sale, buyerOf(0));
      const second = await hold(sale, buyerOf(1));
      await fixture.orders.cancelHold({ rid: first, buyerId: buyerOf(0) });
      const events = await fixture.events.read({ after: start, rowsMax: 100 });
      assert.deepEqual(
        events.map((event) => [event.kind, ...event.rids]),
        [
          ["held", first],
          ["held", second],
          ["ended", first],
        ],
      );
      const rest = await fixture.events.read({ after: present(events[1]).cursor, rowsMax: 100 });
      assert.deepEqual(
        rest.map((event) => event.kind),
        ["ended"],
      );
      assert.deepEqual(await fixture.events.changedSince({ buyerId: buyerOf(1), after: start, rowsMax: 9 }), [second]);
    });

    test("stock can be added and taken, but never what is held or sold", async () => {
      const sale = await openSale(fixture, { stocks: [2] });
      await hold(sale, buyerOf(0));
      const sku = present(sale.items[0]).sku;
      const adjust = (delta: number) => fixture.sales.adjustStock({ saleId: sale.id, sku, delta, reason: "test" });
      const more = present(await adjust(3));
      assert.equal(more.free + more.granted, 4);
      assert.equal((await adjust(-4))?.total, 1);
      await assert.rejects(adjust(-1), /fewer units are free/);
      assert.equal((await stock(sale)).held, 1);
    });

    test("orders of a sale are read in pages without gap or repetition", async () => {
      const sale = await openSale(fixture, { stocks: [5] });
      const rids = [];
      for (let index = 0; index < 5; index++) rids.push(await hold(sale, buyerOf(index)));
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await fixture.orders.listOrdersOfSale({ saleId: sale.id, status: null, cursor, rowsMax: 2 });
        seen.push(...page.orders.map((order) => order.rid));
        cursor = page.next;
      } while (cursor !== null);
      assert.deepEqual(seen, rids);
    });
  });
}
