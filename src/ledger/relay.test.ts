/**
 * Moving units and telling buckets: every half-done move can be carried on by anybody, and no split strands a unit.
 */
import { describe, expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID, wordsOf } from "../../test/support/bucket-world.ts";
import { bucketOf } from "./bucket-of.ts";
import { shareOf } from "./relay.ts";

const caught = (work: Promise<unknown>) => work.catch((error: unknown) => error);
const leftIn = (world: BucketWorld, bucket = 0) => {
  const audit = world.redis.auditNow({ itemId: ITEM_ID, bucket });
  return audit === null ? null : audit.available + audit.leased;
};
const stockOf = (world: BucketWorld) => world.books.tables.stockRow(ITEM_ID);
const topUp = (world: BucketWorld, units: number, bucket = 0) =>
  world.relay.topUp({ sale: world.sale, itemId: ITEM_ID, bucket, units });

describe("bringing units", () => {
  test("free units are logged, credited and settled, once", async () => {
    const world = await BucketWorld.inRedis({ stock: 5 });
    world.books.adjustStock(ITEM_ID, 3);
    expect(await topUp(world, 3)).toBe(3);
    expect(leftIn(world)).toBe(8);
    expect(stockOf(world)).toMatchObject({ free: 0, granted: 8 });
    expect(await world.books.listUnsettledGrants({ saleId: world.sale.id, epoch: world.sale.epoch })).toEqual([]);
  });

  test("whoever died after any step, the next one carries on without a unit more or less", async () => {
    for (const step of ["before the credit", "after the credit"] as const) {
      const world = await BucketWorld.inRedis({ stock: 5 });
      world.books.adjustStock(ITEM_ID, 3);
      world.link = (call) =>
        call !== "credit" ? "answer" : step === "before the credit" ? "lose-call" : "lose-answer";
      expect(await caught(topUp(world, 3))).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
      world.link = () => "answer";
      await world.relay.run(world.sale);
      await world.relay.run(world.sale);
      expect(leftIn(world)).toBe(8);
      expect(stockOf(world)).toMatchObject({ free: 0, granted: 8 });
    }
  });

  test("in an epoch that is over nothing moves", async () => {
    const world = await BucketWorld.inRedis({ stock: 5 });
    const { sale } = world;
    world.books.adjustStock(ITEM_ID, 3);
    world.link = (call) => (call === "credit" ? "lose-call" : "answer");
    await caught(topUp(world, 3));
    world.link = () => "answer";
    await world.leaveRedis();
    await caught(world.relay.topUp({ sale, itemId: ITEM_ID, bucket: 0, units: 30 }));
    await caught(world.relay.run(sale));
    expect(stockOf(world)).toMatchObject({ free: 8, granted: 0 });
    expect(leftIn(world)).toBe(5);
  });

  test("one bucket gets everything that is free; several get small shares where they run low", async () => {
    const alone = await BucketWorld.inRedis({ stock: 100 });
    expect(stockOf(alone)).toMatchObject({ free: 0, granted: 100 });
    const split = await BucketWorld.inRedis({ stock: 100, buckets: 4 });
    expect(stockOf(split)).toMatchObject({ free: 48, granted: 52 });
    expect([0, 1, 2, 3].map((bucket) => leftIn(split, bucket))).toEqual([13, 13, 13, 13]);
    expect(shareOf(1, 8)).toBe(1);
    await split.relay.run(split.sale);
    expect(stockOf(split)).toMatchObject({ free: 48 });
  });

  test("without free units the fullest sibling gives, leased units included", async () => {
    const world = await BucketWorld.inRedis({ stock: 4, buckets: 2 });
    await topUp(world, 4, 1);
    expect(leftIn(world, 1)).toBe(4);
    const lease = { op: "acquire" as const, leaseId: "l", nodeId: "n", units: 2, ttlMs: 60_000 };
    await world.redis.lease({ itemId: ITEM_ID, bucket: 1, epoch: 2, ...lease });
    expect(await topUp(world, 3, 0)).toBeGreaterThanOrEqual(3);
    expect(leftIn(world, 0)).toBeGreaterThanOrEqual(3);
    expect((leftIn(world, 0) ?? 0) + (leftIn(world, 1) ?? 0) + stockOf(world).free).toBe(4);
  });

  test("units that came, were sold and only not settled do not count as brought", async () => {
    const world = await BucketWorld.inRedis({ stock: 3, buckets: 2 });
    world.link = (call) => (call === "credit" ? "lose-answer" : "answer");
    await caught(topUp(world, 1, 0));
    world.link = () => "answer";
    const mine = Array.from({ length: 40 }, (_, index) => `buyer-${index}`).filter((name) => bucketOf(name, 2) === 0);
    const address = { itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
    const attempts = mine.slice(0, leftIn(world, 0) ?? 0).map((name) => attemptOf(name));
    await world.store.reserve({ ...address, leaseId: null, attempts });
    expect(leftIn(world, 0)).toBe(0);
    expect(leftIn(world, 1) ?? 0).toBeGreaterThan(0);
    await topUp(world, 1, 0);
    expect(leftIn(world, 0)).toBe(1);
  });

  test("recall brings units home from the fullest bucket first, as many as there are", async () => {
    const world = await BucketWorld.inRedis({ stock: 10, buckets: 2 });
    await topUp(world, 6, 1);
    const before = stockOf(world).free;
    expect(await world.relay.recall({ sale: world.sale, itemId: ITEM_ID, units: 2 })).toBe(2);
    expect(stockOf(world).free).toBe(before + 2);
    await world.relay.recall({ sale: world.sale, itemId: ITEM_ID, units: 1_000 });
    expect(stockOf(world)).toMatchObject({ free: 10, granted: 0 });
    expect(await world.relay.recall({ sale: world.sale, itemId: ITEM_ID, units: 1 })).toBe(0);
  });
});

describe("telling buckets", () => {
  test("an ended hold is told to its buyer's bucket, so that he may buy again; the attempt itself stays over", async () => {
    const world = await BucketWorld.inRedis({ stock: 10, buckets: 3, perBuyerMax: 1 });
    await world.reserve([attemptOf("a"), attemptOf("b")]);
    await world.commit();
    const { rid, buyerId } = attemptOf("a");
    await world.books.orders.cancelHold({ rid, buyerId });
    expect(wordsOf(await world.reserve([attemptOf("a", { key: "k2" })]))).toEqual(["limit_reached"]);
    await world.relay.run(world.sale);
    expect(world.redis.data.buckets.get(`${ITEM_ID}.${bucketOf("a", 3)}`)?.buyers.has("a")).toBe(false);
    expect(wordsOf(await world.reserve([attemptOf("a", { key: "k2" }), attemptOf("b")]))).toEqual([
      "queued",
      "again held",
    ]);
    expect(wordsOf(await world.reserve([attemptOf("a")]))).toEqual(["ended"]);
  });

  test("a note whose answer was lost is told again and changes nothing more", async () => {
    const world = await BucketWorld.inRedis({ perBuyerMax: 2 });
    await world.reserve([attemptOf("a"), attemptOf("b")]);
    await world.reserve([attemptOf("a", { key: "k2" })]);
    await world.commit();
    await world.books.orders.cancelHold({ rid: attemptOf("a").rid, buyerId: attemptOf("a").buyerId });
    world.link = (call) => (call === "credit" ? "lose-answer" : "answer");
    expect(await caught(world.relay.run(world.sale))).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    world.link = () => "answer";
    await world.relay.run(world.sale);
    expect(world.redis.data.buckets.get(`${ITEM_ID}.0`)?.buyers.get("a")).toBe(1);
    expect(await world.books.listNotes({ saleId: world.sale.id, epoch: 2, rowsMax: 10 })).toEqual([]);
  });

  test("settings are told once a revision, and again when somebody failed", async () => {
    const world = await BucketWorld.inRedis({ buckets: 2 });
    const told = () => world.calls.filter((call) => call === "applySettings").length;
    await world.relay.run(world.sale);
    await world.relay.run(world.sale);
    expect(told()).toBe(2);
    world.books.patchSale(world.sale.id, { phase: "paused" });
    world.link = (call) => (call === "applySettings" ? "lose-call" : "answer");
    await caught(world.relay.run(world.sale));
    world.link = () => "answer";
    await world.relay.run(world.sale);
    await world.relay.run(world.sale);
    expect(told()).toBe(6);
    expect(wordsOf(await world.reserve([attemptOf("a")]))).toEqual(["paused"]);
  });
});
