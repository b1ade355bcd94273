/**
 * The keeper confirms what is gone, hears of what came back, and reads holders before a latch may close.
 */
import { describe, expect, test } from "bun:test";
import { FunnelFixture, problemOf, SALE_ID } from "../../../test/support/funnel-fixture.ts";
import { settle } from "../../../test/support/manual-clock.ts";
import { Fault } from "../../domain/faults.ts";
import { CONFIRMED_MS_MAX } from "./latch.ts";
import { FIRST_PASS_WITHIN_MS, KEEP_INTERVAL_MS } from "./latch-keeper.ts";

/** Sells all ten units of item 1 to five buyers; answers the fixture and one of the buyers with his key. */
async function soldOut() {
  const fixture = await FunnelFixture.warm();
  const buyers = Array.from({ length: 5 }, () => fixture.buyer());
  for (const [index, buyer] of buyers.entries()) {
    const answer = await fixture.attempt(buyer, { key: `key-of-buyer-${index}`, body: '{"quantity":2}' });
    expect(answer.status).toBe(201);
  }
  await fixture.clock.advance(KEEP_INTERVAL_MS);
  return { fixture, holder: buyers[0] as (typeof buyers)[0], key: "key-of-buyer-0" };
}

describe("latch keeper", () => {
  test("keeps a latch confirmed for as long as nothing is left, without any attempt reaching the ledger", async () => {
    const { fixture } = await soldOut();
    const before = fixture.ledger.batches.length;
    for (let second = 0; second < 10; second += 1) {
      await fixture.clock.advance(1_000);
      const answer = await fixture.attempt(fixture.buyer());
      expect(problemOf(answer)).toMatchObject({ reason: "empty", stage: "sold-out" });
    }
    expect(fixture.ledger.batches.length).toBe(before);
  });

  test("opens the latch on a hint that units came back, long before the poll", async () => {
    const { fixture } = await soldOut();
    fixture.ledger.release(1, 1);
    fixture.feed.tell({ topic: "stock", itemId: 1 });
    await settle();
    expect((await fixture.attempt(fixture.buyer())).status).toBe(201);
  });

  test("turns nobody away between the hint and the answer that it leads to, however old the question under way is", async () => {
    const { fixture } = await soldOut();
    const asked = Promise.withResolvers<void>();
    const readStock = fixture.ledger.readStock.bind(fixture.ledger);
    fixture.ledger.readStock = async (itemIds) => {
      const before = await readStock(itemIds);
      await asked.promise;
      return before;
    };
    await fixture.clock.advance(KEEP_INTERVAL_MS);
    fixture.ledger.release(1, 1);
    fixture.feed.tell({ topic: "stock", itemId: 1 });
    const repeat = fixture.attempt(fixture.buyer());
    asked.resolve();
    expect((await repeat).status).toBe(201);
  });

  test("opens the latch within a second when the hint was lost", async () => {
    const { fixture } = await soldOut();
    fixture.ledger.release(1, 1);
    await fixture.clock.advance(KEEP_INTERVAL_MS);
    expect((await fixture.attempt(fixture.buyer())).status).toBe(201);
  });

  test("says sold_out once every unit is paid", async () => {
    const { fixture } = await soldOut();
    fixture.ledger.item(1).sold = 10;
    await fixture.clock.advance(KEEP_INTERVAL_MS);
    expect(problemOf(await fixture.attempt(fixture.buyer()))).toMatchObject({ reason: "sold_out", stage: "sold-out" });
  });

  test("lets attempts through to the ledger when the stock cannot be read any more", async () => {
    const { fixture } = await soldOut();
    fixture.ledger.readStock = async () => {
      throw new Error("away");
    };
    await fixture.clock.advance(CONFIRMED_MS_MAX + KEEP_INTERVAL_MS);
    const answer = await fixture.attempt(fixture.buyer());
    expect(problemOf(answer)).toMatchObject({ reason: "empty", stage: "reserve" });
    expect(fixture.log.count("warn")).toBeGreaterThan(0);
  });

  test("does not close a latch while holders cannot be read, so no holder is ever turned away", async () => {
    const { fixture, holder, key } = await soldOut();
    const restarted = new FunnelFixture();
    restarted.ledger.items.set(1, fixture.ledger.item(1));
    Object.assign(restarted.ledger, { reserve: fixture.ledger.reserve.bind(fixture.ledger) });
    let isAway = true;
    restarted.ledger.readHolders = async (request) => {
      if (isAway) throw new Error("away");
      return fixture.ledger.readHolders(request);
    };
    await expect(restarted.funnel.warmUp()).rejects.toThrow("away");
    isAway = false;
    await restarted.funnel.warmUp();
    const again = { ...holder, token: holder.token };
    const repeated = await restarted.attempt(again, { key, body: '{"quantity":2}' });
    expect(repeated).toMatchObject({ status: 201, headers: { "idempotent-replayed": "true" } });
    expect(problemOf(await restarted.attempt(restarted.buyer({ buyerId: "new" })))).toMatchObject({ reason: "empty" });
  });

  test("a node that starts while the ledger gives no answer is ready once it does, and gives up in the end", async () => {
    const fixture = new FunnelFixture();
    const readStock = fixture.ledger.readStock.bind(fixture.ledger);
    fixture.ledger.readStock = async () => {
      throw new Fault("LEDGER_UNAVAILABLE");
    };
    let outcome = "waits";
    const warm = fixture.funnel.warmUp().then(
      () => "ready",
      (error: Fault) => error.code,
    );
    void warm.then((text) => {
      outcome = text;
    });
    await fixture.clock.advance(FIRST_PASS_WITHIN_MS / 2);
    expect(outcome).toBe("waits");
    fixture.ledger.readStock = readStock;
    await fixture.clock.advance(1_000);
    expect(outcome).toBe("ready");

    const late = new FunnelFixture();
    late.ledger.readStock = async () => {
      throw new Fault("LEDGER_UNAVAILABLE");
    };
    const failed = late.funnel.warmUp().catch((error: Fault) => error.code);
    await late.clock.advance(FIRST_PASS_WITHIN_MS + 1_000);
    expect(await failed).toBe("LEDGER_UNAVAILABLE");
  });

  test("reads more holders than fit on one page", async () => {
    const fixture = new FunnelFixture();
    const item = fixture.ledger.item(1);
    const crowd = Array.from({ length: 12_345 }, (_, index) => `crowd-${index}`);
    fixture.ledger.readHolders = async ({ itemId, cursor, rowsMax }) => {
      const start = cursor === "" ? 0 : Number(cursor);
      const buyerIds = itemId === 1 ? crowd.slice(start, start + rowsMax) : [];
      return { buyerIds, cursor: buyerIds.length === 0 ? cursor : String(start + buyerIds.length) };
    };
    Object.assign(item, { free: 0, seq: crowd.length });
    await fixture.funnel.warmUp();
    const before = fixture.ledger.batches.length;
    await fixture.attempt(fixture.buyer({ buyerId: "crowd-12344" }));
    expect(fixture.ledger.batches.length).toBe(before + 1);
    expect(problemOf(await fixture.attempt(fixture.buyer()))).toMatchObject({ stage: "sold-out" });
  });

  test("leaves no timer and no listener behind when stopped", async () => {
    const { fixture } = await soldOut();
    await fixture.funnel.stop();
    await fixture.catalogue.stop();
    expect(fixture.clock.timerCount).toBe(0);
    expect(fixture.feed.listenerCount).toBe(0);
  });

  test("drops what it kept for a sale that is gone from the catalogue", async () => {
    const { fixture } = await soldOut();
    expect(fixture.funnel.stockOf(1)).not.toBeNull();
    fixture.store.sales = [];
    await fixture.clock.advance(3 * KEEP_INTERVAL_MS);
    expect(fixture.catalogue.find(SALE_ID)).toBeNull();
    expect(fixture.funnel.stockOf(1)).toBeNull();
  });
});
