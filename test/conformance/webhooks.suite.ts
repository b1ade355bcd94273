/**
 * What the shop is told: everything that happens to reservations from the moment on that it asked, in order, signed, at
 * least once. Store, event log and receiver are real; the courier is the one of production.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Webhook } from "standardwebhooks";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import { PostgresWebhookStore } from "../../src/adapters/postgres/postgres-webhook-store.ts";
import { createWebhookSender } from "../../src/adapters/webhook-http/webhook-sender.ts";
import type { Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Loop } from "../../src/orders/loop.ts";
import type { EventCursor } from "../../src/ports/event-log.ts";
import { createWebhookCourier, shownSecret } from "../../src/push/webhook-courier.ts";
import { waitUntil } from "../support/waiting.ts";
import { WebhookReceiver } from "../support/webhook-receiver.ts";
import { buyerOf, itemIdOf, type LedgerFixture, openSale, present, ridOf, silentLog } from "./ledger-fixture.ts";

const clock = createSystemClock();
const random = createSystemRandom();
const ROOT = randomBytes(32);
const NETWORKS = ["127.0.0.0/8"];

/** Every address has keys of its own: today's, and the one from before. */
function keys(endpointId: string): readonly [Uint8Array, Uint8Array] {
  const today = Uint8Array.from(ROOT, (byte, index) => byte ^ endpointId.charCodeAt(index % endpointId.length));
  return [today, today.map((byte) => byte ^ 0xff)];
}

interface Message {
  readonly id: string;
  readonly type: string;
  readonly rids: readonly string[];
  readonly statuses: readonly string[];
}

export function describeWebhooks(name: string, open: () => Promise<LedgerFixture>): void {
  describe(`webhooks: ${name}`, () => {
    let fixture: LedgerFixture;
    let store: PostgresWebhookStore;
    let receiver: WebhookReceiver;
    let couriers: Loop[] = [];

    before(async () => {
      fixture = await open();
      store = new PostgresWebhookStore(fixture.database);
    });
    beforeEach(async () => {
      receiver = await WebhookReceiver.start();
    });
    afterEach(async () => {
      await Promise.all(couriers.map((courier) => courier.stop()));
      couriers = [];
      for (const { id } of await store.listEndpoints()) await store.deleteEndpoint(id);
      await receiver.stop();
    });
    after(() => fixture.close());

    function startCourier(): void {
      const sender = createWebhookSender({ networks: NETWORKS, clock, log: silentLog });
      const { events, orders } = fixture;
      const courier = createWebhookCourier({ store, sender, events, orders, keys, clock, random, log: silentLog });
      courier.start();
      couriers.push(courier);
    }

    async function endpoint(id: string): Promise<void> {
      assert.ok((await store.createEndpoint({ id, url: receiver.url, endpointsMax: 10 })) !== null);
    }

    async function holdAll(sale: Sale, buyers: number): Promise<readonly Rid[]> {
      const attempts = Array.from({ length: buyers }, (_, index) => {
        const buyerId = buyerOf(`${sale.id}-${index}`);
        return { rid: ridOf(sale, buyerId, "k"), buyerId, quantity: 1 };
      });
      const { outcomes } = await fixture.ledger.reserve({
        saleId: sale.id,
        itemId: itemIdOf(sale),
        epoch: sale.epoch,
        attempts,
      });
      assert.ok(outcomes.every((outcome) => outcome.kind === "accepted"));
      return attempts.map(({ rid }) => rid);
    }

    /** What the receiver took, each checked as a shop would check it. */
    function messages(endpointId: string, which: 0 | 1 = 0): readonly Message[] {
      const webhook = new Webhook(shownSecret(keys(endpointId)[which]));
      return receiver.deliveries.map(({ headers, body }) => {
        const document = webhook.verify(body, headers as Record<string, string>) as {
          type: string;
          data: { reservations: readonly { rid: string; status: string }[] };
        };
        const { reservations } = document.data;
        return {
          id: headers["webhook-id"] ?? "",
          type: document.type,
          rids: reservations.map((each) => each.rid),
          statuses: reservations.map((each) => each.status),
        };
      });
    }

    async function received(count: number): Promise<void> {
      await waitUntil(`${count} messages`, () => receiver.deliveries.length >= count);
    }

    it("tells what happens from now on, in order, signed with the address's own secret", async () => {
      const sale = await openSale(fixture, { stocks: [5] });
      const early = await holdAll(sale, 1);
      await endpoint("in-order");
      startCourier();
      const later = await openSale(fixture, { stocks: [5] });
      const [rid] = await holdAll(later, 1);
      await received(1);
      await fixture.orders.cancelHold({ rid: present(rid), buyerId: buyerOf(`${later.id}-0`) });
      await received(2);
      const told = messages("in-order");
      assert.deepEqual(
        told.map(({ type, rids, statuses }) => [type, rids, statuses]),
        [
          ["reservations.held", [rid], ["held"]],
          ["reservations.ended", [rid], ["cancelled"]],
        ],
      );
      assert.ok(told.every(({ rids }) => !rids.includes(present(early[0]))));
      assert.throws(() => messages("another-address"));
      assert.deepEqual(messages("in-order", 1), told);
    });

    it("repeats a message that was not taken, under the same id, before it goes on", async () => {
      await endpoint("patient");
      let refusals = 0;
      receiver.onDelivery = () => {
        refusals += 1;
        if (refusals <= 2) throw new Error("not now");
      };
      startCourier();
      const sale = await openSale(fixture, { stocks: [5] });
      const [rid] = await holdAll(sale, 1);
      await waitUntil("a failure to be shown", async () => {
        const [shown] = await store.listEndpoints();
        return shown?.failuresInRow === 2 && shown.lastFailure === "it answered 503";
      });
      await fixture.orders.cancelHold({ rid: present(rid), buyerId: buyerOf(`${sale.id}-0`) });
      await received(4);
      const told = messages("patient");
      assert.deepEqual(
        told.map(({ type }) => type),
        [...Array<string>(3).fill("reservations.held"), "reservations.ended"],
      );
      assert.equal(new Set(told.slice(0, 3).map(({ id }) => id)).size, 1);
      await waitUntil("the failures to be forgotten", async () => {
        const [shown] = await store.listEndpoints();
        return shown?.failuresInRow === 0 && shown.lastFailure === null && shown.deliveredAt !== null;
      });
    });

    it("is told once although several processes could tell", async () => {
      await endpoint("once");
      for (let count = 0; count < 3; count += 1) startCourier();
      const rids: Rid[] = [];
      for (let count = 0; count < 12; count += 1) {
        rids.push(...(await holdAll(await openSale(fixture, { stocks: [5] }), 1)));
      }
      await waitUntil("everything to be told", async () => {
        const told = new Set(receiver.deliveries.flatMap((_, index) => messages("once")[index]?.rids ?? []));
        return rids.every((rid) => told.has(rid));
      });
      assert.equal(receiver.deliveries.length, rids.length);
      assert.deepEqual(
        messages("once").flatMap((message) => message.rids),
        rids,
      );
    });

    it("hears of many reservations at once in messages of a bounded size", async () => {
      await endpoint("many");
      startCourier();
      const sale = await openSale(fixture, { stocks: [250] });
      const rids = await holdAll(sale, 250);
      await received(3);
      const told = messages("many");
      assert.deepEqual(
        told.map((message) => message.rids.length),
        [100, 100, 50],
      );
      assert.deepEqual(told.flatMap((message) => message.rids).sort(), [...rids].sort());
      assert.equal(new Set(told.map(({ id }) => id)).size, 3);
    });

    it("is delivered to by one claimant at a time, and not by one that lost its claim", async () => {
      await endpoint("claimed");
      const cursor: EventCursor = { transaction: "1", row: "1" };
      const claimed = await store.claim({ claimant: "a", claimMs: 60_000 });
      assert.equal(claimed?.id, "claimed");
      assert.equal(await store.claim({ claimant: "b", claimMs: 60_000 }), null);
      assert.equal(await store.advance({ id: "claimed", claimant: "b", cursor, claimMs: 60_000 }), false);
      await store.release({ id: "claimed", claimant: "b", failure: null, dueInMs: 0 });
      assert.equal(await store.claim({ claimant: "b", claimMs: 60_000 }), null);
      assert.equal(await store.advance({ id: "claimed", claimant: "a", cursor, claimMs: 0 }), true);
      assert.equal(await store.advance({ id: "claimed", claimant: "a", cursor, claimMs: 60_000 }), false);
      const taken = await store.claim({ claimant: "b", claimMs: 60_000 });
      assert.deepEqual(taken?.cursor, cursor);
      await store.release({ id: "claimed", claimant: "b", failure: "x", dueInMs: 60_000 });
      assert.equal(await store.claim({ claimant: "c", claimMs: 60_000 }), null);
    });

    it("is one of a bounded number of addresses", async () => {
      for (let count = 0; count < 2; count += 1) await endpoint(`bounded-${count}`);
      assert.equal(await store.createEndpoint({ id: "bounded-2", url: receiver.url, endpointsMax: 2 }), null);
      assert.equal(await store.deleteEndpoint("bounded-0"), true);
      assert.equal(await store.deleteEndpoint("bounded-0"), false);
      assert.deepEqual(
        (await store.listEndpoints()).map(({ id }) => id),
        ["bounded-1"],
      );
    });
  });
}
