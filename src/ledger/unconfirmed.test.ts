/**
 * No acceptance that a buyer was told of ends in silence: it becomes an order, in this epoch or the next, or it is lost aloud.
 */
import { describe, expect, test } from "bun:test";
import { attemptOf, BucketWorld } from "../../test/support/bucket-world.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { Fault } from "../domain/faults.ts";
import type { BuyerId, Rid, SaleId } from "../domain/ids.ts";
import { UNCONFIRMED_MAX, Unconfirmed } from "./unconfirmed.ts";

/** A world in which some buyers were told "queued" and their waiting time is over. */
async function withQueued(buyers: readonly string[], stock = 10): Promise<BucketWorld> {
  const world = await BucketWorld.inRedis({ stock });
  await world.reserve(buyers.map((buyer) => attemptOf(buyer)));
  await world.clock.advance(300);
  expect(world.ledger.unconfirmedCount()).toBe(buyers.length);
  return world;
}

const statusOf = (world: BucketWorld, buyer: string) => world.books.tables.data.orders.get(`${buyer}-k`)?.status;

describe("unconfirmed acceptances", () => {
  test("a late hint ends the wait; so does a look into Postgres when the hint was lost", async () => {
    const world = await withQueued(["a", "b"]);
    await world.commit();
    expect(world.ledger.unconfirmedCount()).toBe(0);
    await world.reserve([attemptOf("c")]);
    await world.clock.advance(300);
    await world.commit({ hints: false });
    expect(world.ledger.unconfirmedCount()).toBe(1);
    await world.clock.advance(1_500);
    expect(world.ledger.unconfirmedCount()).toBe(0);
  });

  test("when the epoch is over, the same rids are handed in again and get their units", async () => {
    const world = await withQueued(["a", "b"]);
    await world.leaveRedis({ isDrained: false });
    await world.clock.advance(100);
    expect([statusOf(world, "a"), statusOf(world, "b")]).toEqual(["held", "held"]);
    expect(world.ledger.unconfirmedCount()).toBe(0);
    expect(world.unitsInAllPlaces()).toEqual({ total: 10, sum: 10 });
  });

  test("what was drained before the fence is found again and takes no second unit", async () => {
    const world = await withQueued(["a"]);
    await world.leaveRedis({ isDrained: true });
    await world.clock.advance(100);
    expect(world.books.tables.stockRow(1)).toMatchObject({ free: 9, held: 1 });
    expect(world.ledger.unconfirmedCount()).toBe(0);
  });

  test("whoever is refused the second time reads that his reservation was lost", async () => {
    const world = await withQueued(["a", "b"], 2);
    await world.leaveRedis({ isDrained: false, isTold: false });
    // Somebody else was quicker, on a node that heard of it before.
    await world.books.ledger.reserve({ saleId: world.sale.id, itemId: 1, epoch: 3, attempts: [attemptOf("z")] });
    await world.sales.refresh();
    await world.clock.advance(100);
    expect([statusOf(world, "a"), statusOf(world, "b")].sort()).toEqual(["held", "lost"]);
    expect(world.ledger.unconfirmedCount()).toBe(0);
  });

  test("when Redis is gone they are committed while the epoch lives, so that nobody else gets their units after it", async () => {
    const world = await withQueued(["a", "b"], 2);
    const promised = await world.ledger.findQueued({ rid: "a-k" as Rid, buyerId: "a" as BuyerId });
    world.link = () => "lose-call";
    await world.clock.advance(1_500);
    expect([statusOf(world, "a"), statusOf(world, "b")]).toEqual(["held", "held"]);
    expect(world.ledger.unconfirmedCount()).toBe(0);
    expect(world.books.tables.stockRow(1)).toMatchObject({ granted: 0, held: 2 });
    expect(world.books.tables.data.orders.get("a-k")?.holdUntil).toBe(promised?.holdUntil ?? 0);
    world.link = () => "answer";
    await world.commit();
    expect(world.unitsInAllPlaces()).toEqual({ total: 2, sum: 2 });
  });

  test.each(["the bucket", "its last acceptances"])("the same when Redis has forgotten %s", async (what) => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    const before = world.redis.snapshot();
    await world.reserve([attemptOf("a")]);
    await world.clock.advance(300);
    if (what === "the bucket") await world.redis.remove({ itemId: 1, bucket: 0, epoch: 2 });
    else world.redis.restore(before);
    await world.clock.advance(1_500);
    expect(statusOf(world, "a")).toBe("held");
  });

  test("one that Postgres refuses costs no other one its order", async () => {
    const world = await withQueued(["a", "b", "c"]);
    world.books.tables.addHold(1, "b", 2);
    world.link = () => "lose-call";
    await world.clock.advance(3_000);
    expect(["a", "b", "c"].map((buyer) => statusOf(world, buyer))).toEqual(["held", undefined, "held"]);
    expect(world.ledger.unconfirmedCount()).toBe(1);
  });

  test("and when the sale is leaving it, at once or as soon as they are promised", async () => {
    const leaving = await withQueued(["a"], 2);
    const { books, sale } = leaving;
    await books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "redis", to: "draining", reason: "test" });
    await leaving.reserve([attemptOf("late")]);
    await leaving.sales.refresh();
    await leaving.clock.advance(1);
    expect(["a", "late"].map((buyer) => statusOf(leaving, buyer))).toEqual(["held", undefined]);
    await leaving.clock.advance(1_500);
    expect(statusOf(leaving, "late")).toBe("held");
  });

  test("a Redis that hangs is waited for once, however many buckets it has", async () => {
    const world = await BucketWorld.inRedis({ stock: 40, buckets: 4 });
    const buyers = ["a", "b", "c", "d", "e", "f", "g", "h"];
    await world.reserve(buyers.map((buyer) => attemptOf(buyer)));
    await world.clock.advance(300);
    const hangMs = 2_000;
    world.link = () => "lose-call";
    world.delay = () => new Promise((resolve) => void world.clock.setTimer(hangMs, resolve));
    await world.clock.advance(hangMs + 1_500);
    expect(buyers.map((buyer) => statusOf(world, buyer))).toEqual(buyers.map(() => "held"));
  });

  test("while workers can read the stream it is theirs to commit", async () => {
    const world = await withQueued(["a"]);
    await world.clock.advance(3_000);
    expect(statusOf(world, "a")).toBeUndefined();
    expect(world.ledger.unconfirmedCount()).toBe(1);
  });

  test("a pause is waited out; a sale that has closed loses what it never committed", async () => {
    const world = await withQueued(["a"]);
    world.books.patchSale(world.sale.id, { phase: "paused" });
    await world.leaveRedis({ isDrained: false });
    await world.clock.advance(3_000);
    expect(world.ledger.unconfirmedCount()).toBe(1);
    world.books.patchSale(world.sale.id, { phase: "closed", closedAt: world.clock.nowMs() });
    await world.sales.refresh();
    await world.clock.advance(1_500);
    expect(statusOf(world, "a")).toBe("lost");
    expect(world.ledger.unconfirmedCount()).toBe(0);
  });

  test("while nobody can be asked, everything is kept and tried again", async () => {
    const world = await withQueued(["a"]);
    world.link = () => "lose-call";
    world.postgresFault = new Fault("DATABASE_UNAVAILABLE");
    await world.clock.advance(5_000);
    expect(world.ledger.unconfirmedCount()).toBe(1);
    world.postgresFault = null;
    await world.leaveRedis({ isDrained: false });
    await world.clock.advance(60_000);
    expect(statusOf(world, "a")).toBe("held");
  });

  test("a rid that a worker recorded as lost already comes back to life", async () => {
    const world = await withQueued(["a"]);
    await world.leaveRedis({ isDrained: false, isTold: false });
    const address = { itemId: 1, bucket: 0, epoch: 2 };
    const row = { seq: 1, ...attemptOf("a"), promisedUntil: 0 };
    await world.books.recordLost({ ...address, saleId: world.sale.id, rows: [row] });
    await world.sales.refresh();
    await world.clock.advance(100);
    expect(statusOf(world, "a")).toBe("held");
  });

  test("is bounded: the oldest are left to the workers", () => {
    const world = new BucketWorld();
    const log = new RecordingLog();
    const unconfirmed = new Unconfirmed({
      store: world.store,
      books: world.books,
      orders: world.books.orders,
      sales: world.sales,
      clock: new ManualClock(),
      random: evenRandom(),
      log,
      resubmit: (batch) => world.routed.reserve(batch),
    });
    const address = { itemId: 1, bucket: 0, epoch: 2 };
    const base = { saleId: "sale" as SaleId, address, acceptedAtMs: 1, holdUntil: 2 };
    for (let seq = 1; seq <= UNCONFIRMED_MAX + 1; seq += 1) {
      unconfirmed.add({ ...base, lastSeq: seq, rows: [{ seq, attempt: attemptOf(`b${seq}`) }] });
    }
    const { count } = unconfirmed;
    expect(count).toBeLessThanOrEqual(UNCONFIRMED_MAX);
    const oldest = UNCONFIRMED_MAX + 2 - count;
    expect(unconfirmed.find(`b${oldest - 1}-k`)).toBeNull();
    expect(unconfirmed.find(`b${oldest}-k`)).toMatchObject({ rid: `b${oldest}-k` });
    expect(log.count("warn")).toBe(1);
  });
});
