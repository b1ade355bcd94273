import { expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID } from "../../test/support/bucket-world.ts";
import { BatchCommitter } from "./batch-committer.ts";
import { GAP_AGE_MS_MIN, GapAudit } from "./gap-audit.ts";
import { createSaleAlarm } from "./sale-alarm.ts";

/** Buyers a, b, c, d accepted; b's two units and c's one were read by a worker that lost them. */
async function setUp() {
  const world = await BucketWorld.inRedis({ stock: 20 });
  const { redis, books, log, clock, sale } = world;
  const address = { itemId: ITEM_ID, bucket: 0, epoch: sale.epoch };
  for (const attempts of [[attemptOf("a")], [attemptOf("b", { quantity: 2 }), attemptOf("c")], [attemptOf("d")]]) {
    await redis.reserve({ ...address, leaseId: null, attempts });
  }
  const alarm = createSaleAlarm({ books, log });
  const committer = new BatchCommitter({ ...world, alarm });
  const audit = new GapAudit({ ...world, committer, alarm, onRepaired: () => undefined });
  const commitOnly = async (rids: readonly string[]) => {
    const entries = await redis.readFrom({ ...address, afterSeq: 0, entriesMax: 9 });
    const rows = entries.flatMap((entry) => entry.rows).filter((row) => rids.includes(row.rid));
    const promised = rows.map((row) => ({ ...row, promisedUntil: clock.nowMs() + sale.holdMs }));
    await books.commitBatch({ ...address, saleId: sale.id, rows: promised });
  };
  await commitOnly(["a-k", "d-k"]);
  const look = async (afterMs: number) => {
    clock.jump(afterMs);
    await audit.look();
  };
  const statuses = () => ["a", "b", "c", "d"].map((buyer) => books.tables.data.orders.get(`${buyer}-k`)?.status);
  return { world, address, look, statuses, stock: () => books.tables.stockRow(ITEM_ID), commitOnly };
}

/** Takes the second entry out of the stream, as somebody's hand would. */
function deleteEntry(world: BucketWorld): void {
  for (const stream of world.redis.data.streams.values()) {
    stream.entries = stream.entries.filter((entry) => entry.lastSeq !== 3);
  }
}

test("numbers that have been missing for long enough are committed from the stream, not before", async () => {
  const { look, statuses, stock } = await setUp();
  await look(0);
  await look(GAP_AGE_MS_MIN - 100);
  expect(statuses()).toEqual(["held", undefined, undefined, "held"]);
  await look(2_100);
  expect(statuses()).toEqual(["held", "held", "held", "held"]);
  expect(stock()).toMatchObject({ free: 0, granted: 15, held: 5 });
});

test("what is still in the stream is taken from there, whatever the bucket remembers", async () => {
  const { world, look, statuses } = await setUp();
  for (const bucket of world.redis.data.buckets.values()) bucket.reservations.clear();
  await look(0);
  await look(GAP_AGE_MS_MIN);
  expect(statuses()).toEqual(["held", "held", "held", "held"]);
});

test("an entry that was deleted from the stream is committed from what the bucket remembers", async () => {
  const { world, look, statuses } = await setUp();
  deleteEntry(world);
  await look(0);
  await look(GAP_AGE_MS_MIN);
  expect(statuses()).toEqual(["held", "held", "held", "held"]);
});

test("numbers that nobody knows anything about are void, and exactly their units come home", async () => {
  const { world, look, stock } = await setUp();
  deleteEntry(world);
  for (const bucket of world.redis.data.buckets.values()) {
    bucket.reservations.delete("b-k");
    bucket.reservations.delete("c-k");
  }
  await look(0);
  await look(GAP_AGE_MS_MIN);
  expect(stock()).toMatchObject({ free: 3, granted: 15, held: 2 });
  expect(world.log.count("error")).toBe(1);
  await look(GAP_AGE_MS_MIN);
  expect(stock()).toMatchObject({ free: 3, granted: 15, held: 2 });
  expect(world.sale.mode).toBe("redis");
});

test("a number committed by somebody else meanwhile is left alone", async () => {
  const { look, stock, commitOnly } = await setUp();
  await look(0);
  await commitOnly(["b-k", "c-k"]);
  await look(GAP_AGE_MS_MIN);
  expect(stock()).toMatchObject({ free: 0, granted: 15, held: 5 });
});

test("a number that was seen committed and is missing is no gap to be mended: Postgres lost it", async () => {
  const { world, address, look, statuses } = await setUp();
  await look(0);
  await world.redis.markCommitted({ ...address, seq: 3 });
  await look(GAP_AGE_MS_MIN);
  expect(statuses()).toEqual(["held", undefined, undefined, "held"]);
});

test("fewer units than missing numbers prove that the bucket is wrong: its sale leaves redis mode", async () => {
  const { world, look } = await setUp();
  deleteEntry(world);
  for (const bucket of world.redis.data.buckets.values()) {
    bucket.reservations.clear();
    bucket.reserved = 3;
  }
  await look(0);
  await look(GAP_AGE_MS_MIN);
  expect(world.sale.mode).toBe("draining");
});
