/**
 * Money from the checkout page to the order, over a real database: sandbox provider, real notifications over HTTP,
 * settlement, sweeper and order store together. What each does alone is tested beside its code.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import { prepareSandbox } from "../../src/adapters/payment-sandbox/prepare.ts";
import { createPaymentSandbox } from "../../src/adapters/payment-sandbox/sandbox.ts";
import type { BuyerId, Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { createCheckoutService } from "../../src/orders/checkout.ts";
import { createResilientProvider } from "../../src/orders/resilient-provider.ts";
import { createSettlement } from "../../src/orders/settlement.ts";
import { createSweeper } from "../../src/orders/sweeper.ts";
import { mapBounded, range, waitUntil } from "../support/waiting.ts";
import { WebhookReceiver } from "../support/webhook-receiver.ts";
import { buyerOf, itemIdOf, type LedgerFixture, openSale, present, ridOf, silentLog } from "./ledger-fixture.ts";

const CONTROL_TOKEN = "a token";
const RETURN_URL = "http://127.0.0.1/sales/s";

/** The whole of payments over one database, as a node puts it together. */
class Money {
  readonly fixture: LedgerFixture;
  readonly #clock = createSystemClock();
  readonly #random = createSystemRandom();
  readonly sandbox: ReturnType<typeof createPaymentSandbox>;
  readonly checkout: ReturnType<typeof createCheckoutService>;
  readonly sweepers: readonly ReturnType<typeof createSweeper>[];
  readonly settlement: ReturnType<typeof createSettlement>;

  constructor(fixture: LedgerFixture) {
    this.fixture = fixture;
    const { database, orders } = fixture;
    const common = { clock: this.#clock, random: this.#random, log: silentLog };
    this.sandbox = createPaymentSandbox({ ...common, database, secret: "a secret", controlToken: CONTROL_TOKEN });
    const provider = createResilientProvider({ provider: this.sandbox.provider, ...common });
    this.settlement = createSettlement({ orders, provider, log: silentLog });
    const parts = { ...common, orders, provider, settlement: this.settlement };
    this.checkout = createCheckoutService(parts);
    this.sweepers = range(2).map(() => createSweeper(parts));
  }

  async hold(sale: Sale, buyer: BuyerId, key = "k"): Promise<Rid> {
    const rid = ridOf(sale, buyer, key);
    const attempts = [{ rid, buyerId: buyer, quantity: 1 }];
    const batch = { saleId: sale.id, itemId: itemIdOf(sale), epoch: sale.epoch, attempts };
    assert.equal((await this.fixture.ledger.reserve(batch)).outcomes[0]?.kind, "accepted");
    return rid;
  }

  /** Opens the payment of a hold and answers its id. */
  async open(rid: Rid): Promise<string> {
    const outcome = await this.checkout.checkout(present(await this.fixture.orders.findOrder(rid)), RETURN_URL);
    assert.equal(outcome.kind, "created");
    return outcome.kind === "created" ? outcome.paymentId : "";
  }

  async control(body: object): Promise<void> {
    const headers = { authorization: `Bearer ${CONTROL_TOKEN}`, "content-type": "application/json" };
    const answer = await this.sandbox.app.request("/control", { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
  }

  /** Lets the hold's time pass without waiting for it. */
  async passHold(rid: Rid): Promise<void> {
    await this.fixture.database.query({ text: "UPDATE orders SET hold_until = 1 WHERE rid = $1" }, [rid]);
  }

  async sweep(): Promise<void> {
    // What was looked at a moment ago comes due again at once, so that tests need not wait for the backoff. Rows that
    // somebody works on are left: two of these at once would wait for each other in a circle.
    const due = "SELECT rid FROM orders WHERE look_at > 0 FOR UPDATE SKIP LOCKED";
    await this.fixture.database.query({ text: `UPDATE orders SET look_at = 0 WHERE rid IN (${due})` });
    await Promise.all(this.sweepers.map((sweeper) => sweeper.runOnce()));
  }

  async status(rid: Rid): Promise<string> {
    return present(await this.fixture.orders.findOrder(rid)).status;
  }

  async units(sale: Sale): Promise<{ free: number; held: number; sold: number }> {
    const { free, held, sold } = present((await this.fixture.ledger.readStock([itemIdOf(sale)]))[0]);
    return { free, held, sold };
  }

  /** Takes notifications over HTTP as the node does: 204 when taken, 503 when not. */
  async receive(): Promise<WebhookReceiver> {
    const receiver = await WebhookReceiver.start();
    receiver.onDelivery = async ({ body, headers }) => {
      await this.settlement.notified("sandbox", body, headers);
    };
    this.sandbox.start(receiver.url);
    return receiver;
  }
}

export function describeMoney(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`money: ${name}`, () => {
    let money: Money;
    let receiver: WebhookReceiver;
    before(async () => {
      const fixture = await open();
      await prepareSandbox(fixture.database);
      money = new Money(fixture);
      receiver = await money.receive();
    });
    after(async () => {
      await money.sandbox.stop();
      await receiver.stop();
      await money.fixture.close();
    });

    async function reaches(rid: Rid, status: string): Promise<void> {
      await waitUntil(`the order to be ${status}`, async () => {
        const seen = await money.status(rid);
        if (seen !== status) throw new Error(`it is ${seen}`);
        return true;
      });
    }

    describeTimely(() => ({ money, reaches }));
    describeLate(() => ({ money, reaches }));
    describeChaos(() => ({ money, reaches, receiver }));
  });
}

type World = () => { readonly money: Money; readonly reaches: (rid: Rid, status: string) => Promise<void> };

function describeTimely(world: World): void {
  test("pays an order once, although its notifications come twice, late and out of order", async () => {
    const { money, reaches } = world();
    const sale = await openSale(money.fixture, { stocks: [3] });
    const rid = await money.hold(sale, buyerOf("a"));
    const notify = { copies: 3, reversed: true, delayMs: 50 };
    await money.control({ action: "pay", paymentIds: [await money.open(rid)], notify });
    await reaches(rid, "paid");
    assert.deepEqual(await money.units(sale), { free: 2, held: 0, sold: 1 });
  });

  test("gives a unit back only with its payment cancelled: the old page takes no money", async () => {
    const { money } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    const paymentId = await money.open(rid);
    await money.passHold(rid);
    await money.sweep();
    assert.deepEqual([await money.status(rid), await money.units(sale)], ["expired", { free: 1, held: 0, sold: 0 }]);
    await money.control({ action: "pay", paymentIds: [paymentId] });
    assert.equal((await money.sandbox.provider.retrieve(paymentId))?.status, "cancelled");
  });

  test("finds money at the end of the hold whose notification never came", async () => {
    const { money } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    const notify = { delayMs: 3_600_000 };
    await money.control({ action: "pay", paymentIds: [await money.open(rid)], notify });
    await money.passHold(rid);
    await money.sweep();
    assert.deepEqual([await money.status(rid), await money.units(sale)], ["paid", { free: 0, held: 0, sold: 1 }]);
  });

  test("sends a wrong amount back, all of it, and the unit to the next buyer", async () => {
    const { money, reaches } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    const paymentId = await money.open(rid);
    await money.control({ action: "pay", paymentIds: [paymentId], capturedAmount: 999 });
    await reaches(rid, "refund_due");
    await money.sweep();
    assert.equal(await money.status(rid), "refunded");
    const payment = await money.sandbox.provider.retrieve(paymentId);
    assert.deepEqual(payment, { paymentId, status: "refunded", amount: { amount: 999, currency: "EUR" } });
    assert.deepEqual(await money.units(sale), { free: 1, held: 0, sold: 0 });
  });

  test("cancels the payment of a hold that its buyer gives back", async () => {
    const { money } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    const paymentId = await money.open(rid);
    await money.fixture.orders.cancelHold({ rid, buyerId: buyerOf("a") });
    assert.equal(await money.status(rid), "expiring");
    await money.sweep();
    assert.equal((await money.sandbox.provider.retrieve(paymentId))?.status, "cancelled");
    assert.deepEqual([await money.status(rid), (await money.units(sale)).free], ["cancelled", 1]);
  });
}

function describeLate(world: World): void {
  const late = { action: "pay_late", countedFrom: "now", delayMs: 400 };

  test("holds the unit while money is on its way, and sells it when it arrives", async () => {
    const { money, reaches } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    const paymentIds = [await money.open(rid)];
    await money.control({ ...late, delayMs: 1_500, paymentIds, cancelRule: "answers_processing" });
    await money.passHold(rid);
    await money.sweep();
    assert.deepEqual([await money.status(rid), (await money.units(sale)).held], ["expiring", 1]);
    await reaches(rid, "paid");
    assert.equal((await money.units(sale)).sold, 1);
  });

  test("gives late money a free unit, although the hold had ended", async () => {
    const { money, reaches } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    await money.control({ ...late, paymentIds: [await money.open(rid)], cancelRule: "captured_anyway" });
    await money.passHold(rid);
    await money.sweep();
    await reaches(rid, "paid");
    assert.deepEqual(await money.units(sale), { free: 0, held: 0, sold: 1 });
  });

  test("sends late money back when the unit has gone to somebody else", async () => {
    const { money, reaches } = world();
    const sale = await openSale(money.fixture, { stocks: [1] });
    const rid = await money.hold(sale, buyerOf("a"));
    const paymentId = await money.open(rid);
    await money.control({ ...late, delayMs: 1_500, paymentIds: [paymentId], cancelRule: "captured_anyway" });
    await money.passHold(rid);
    await money.sweep();
    await money.hold(sale, buyerOf("b"));
    await reaches(rid, "refund_due");
    await money.sweep();
    assert.equal(await money.status(rid), "refunded");
    assert.equal((await money.sandbox.provider.retrieve(paymentId))?.status, "refunded");
    assert.deepEqual(await money.units(sale), { free: 0, held: 1, sold: 0 });
  });
}

const MANNERS = [
  { action: "pay" },
  { action: "pay", notify: { copies: 2, reversed: true } },
  { action: "pay", capturedAmount: 1 },
  { action: "decline" },
  { action: "pay_late", countedFrom: "now", delayMs: 300, cancelRule: "stops" },
  { action: "pay_late", countedFrom: "now", delayMs: 300, cancelRule: "answers_processing" },
  { action: "pay_late", countedFrom: "now", delayMs: 300, cancelRule: "captured_anyway" },
  null,
] as const;

function describeChaos(world: () => ReturnType<World> & { readonly receiver: WebhookReceiver }): void {
  test("keeps orders, units and money equal when everything happens at once and the news is lost the first time", async () => {
    const { money, receiver } = world();
    const count = 48;
    const sale = await openSale(money.fixture, { stocks: [count] });
    const settle = receiver.onDelivery;
    const lost = new Set<string>();
    receiver.onDelivery = async (delivery) => {
      const id = delivery.headers["webhook-id"] ?? "";
      if (!lost.has(id) && lost.add(id)) throw new Error("lost");
      await settle(delivery);
    };
    const orders = await mapBounded(range(count), 8, async (index) => {
      const rid = await money.hold(sale, buyerOf(`chaos-${index}`));
      const paymentId = await money.open(rid);
      const manner = MANNERS[index % MANNERS.length];
      if (index % 3 === 0) await money.passHold(rid);
      const pressing = manner === null ? null : money.control({ ...manner, paymentIds: [paymentId] });
      await Promise.all([pressing, index % 5 === 0 ? money.sweep() : null]);
      await money.passHold(rid);
      return { rid, paymentId };
    });
    await waitUntil("every order to end", async () => {
      await money.sweep();
      const ends = await Promise.all(orders.map((order) => money.status(order.rid)));
      const open = ends.filter((status) => ["held", "expiring", "refund_due"].includes(status));
      // Money that was captured after its cancellation may still be on its way.
      const due = await money.fixture.database.query({
        text: "SELECT 1 FROM sandbox.notification WHERE copies_left > 0 AND occurred_at > due_at - 60000",
      });
      const coming = await money.fixture.database.query({
        text: "SELECT 1 FROM sandbox.payment WHERE captures_at IS NOT NULL",
      });
      if (open.length + coming.length + due.length > 0)
        throw new Error(`${open.length} ${coming.length} ${due.length}`);
      return true;
    });
    receiver.onDelivery = settle;

    const tally = { paid: 0, other: 0 };
    for (const { rid, paymentId } of orders) {
      const [status, payment] = await Promise.all([money.status(rid), money.sandbox.provider.retrieve(paymentId)]);
      const expected = { succeeded: "paid", refunded: "refunded", cancelled: "expired" }[
        payment?.status as "cancelled"
      ];
      assert.equal(status, expected, `the payment is ${payment?.status}`);
      tally[status === "paid" ? "paid" : "other"] += 1;
    }
    assert.ok(tally.paid > 0 && tally.other > 0);
    assert.deepEqual(await money.units(sale), { free: tally.other, held: 0, sold: tally.paid });
  });
}
