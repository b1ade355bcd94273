import { expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID } from "../../test/support/bucket-world.ts";
import { StreamRecovery } from "./stream-recovery.ts";

function recoveryOf(world: BucketWorld): StreamRecovery {
  return new StreamRecovery({ ...world, orders: world.books.orders });
}

const statusOf = (world: BucketWorld, buyer: string) => world.books.tables.data.orders.get(`${buyer}-k`)?.status;

test("orders that a restored database has forgotten are made again from the stream, and the others are left alone", async () => {
  const world = await BucketWorld.inRedis({ stock: 10 });
  await world.reserve([attemptOf("kept")]);
  await world.commit();
  const backup = world.books.snapshot();
  await world.reserve([attemptOf("forgotten"), attemptOf("forgotten-2")]);
  await world.commit();
  await world.reserve([attemptOf("unread")]);
  world.books.restore(backup);
  const held = world.books.tables.data.orders.get("kept-k");

  const report = await recoveryOf(world).recover(world.sale);
  expect(report).toMatchObject({ found: 4, known: 1, recovered: 3, voided: 0 });
  expect(["kept", "forgotten", "forgotten-2", "unread"].map((buyer) => statusOf(world, buyer))).toEqual([
    "held",
    "held",
    "held",
    "held",
  ]);
  expect(world.books.tables.data.orders.get("kept-k")).toEqual(held as never);
  expect(world.books.tables.stockRow(ITEM_ID)).toMatchObject({ free: 6, granted: 0, held: 4 });
  expect(world.sale.mode).toBe("postgres");
});

test("a backup from before redis mode is recovered too: the new epoch is later than the buckets'", async () => {
  const world = new BucketWorld({ stock: 10 });
  const backup = world.books.snapshot();
  await world.enterRedis();
  const { epoch } = world.sale;
  await world.reserve([attemptOf("x", { quantity: 2 })]);
  await world.commit();
  world.books.restore(backup);
  const report = await recoveryOf(world).recover(world.sale);
  expect(report.recovered).toBe(1);
  expect(world.sale.epoch).toBeGreaterThan(epoch + 1);
  expect(world.books.tables.stockRow(ITEM_ID)).toMatchObject({ free: 8, granted: 0, held: 2 });
  expect(world.redis.auditNow({ itemId: ITEM_ID, bucket: 0 })?.isOpen).toBe(false);
});

test("recovering twice changes nothing more", async () => {
  const world = await BucketWorld.inRedis({ stock: 10 });
  const backup = world.books.snapshot();
  await world.reserve([attemptOf("x")]);
  await world.commit();
  world.books.restore(backup);
  await recoveryOf(world).recover(world.sale);
  const again = await recoveryOf(world).recover(world.sale);
  expect(again).toMatchObject({ found: 1, known: 1, recovered: 0 });
  expect(world.books.tables.stockRow(ITEM_ID)).toMatchObject({ free: 9, granted: 0, held: 1 });
});

test("an acceptance that was written off as lost meanwhile becomes an order again", async () => {
  const world = await BucketWorld.inRedis({ stock: 10 });
  await world.reserve([attemptOf("x")]);
  const { sale } = world;
  const row = { seq: 1, rid: "x-k", buyerId: "x", quantity: 1, promisedUntil: 0 };
  await world.books.recordLost({ itemId: ITEM_ID, bucket: 0, epoch: sale.epoch, saleId: sale.id, rows: [row] });
  const report = await recoveryOf(world).recover(sale);
  expect([report.recovered, statusOf(world, "x")]).toEqual([1, "held"]);
});

test("what was sold to others since cannot be sold again: those acceptances are void", async () => {
  const world = await BucketWorld.inRedis({ stock: 2 });
  const backup = world.books.snapshot();
  await world.reserve([attemptOf("x"), attemptOf("y")]);
  await world.commit();
  world.books.restore(backup);
  await world.leaveRedis({ isDrained: false });
  const attempts = [attemptOf("other")];
  await world.books.ledger.reserve({ saleId: world.sale.id, itemId: ITEM_ID, epoch: world.sale.epoch, attempts });
  const report = await recoveryOf(world).recover(world.sale);
  expect(report).toMatchObject({ recovered: 1, voided: 1 });
  expect(world.books.tables.stockRow(ITEM_ID)).toMatchObject({ free: 0, granted: 0, held: 2 });
});
