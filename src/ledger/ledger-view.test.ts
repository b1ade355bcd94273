/**
 * What operators are shown of a sale's ledger: true figures, and "unknown" where nobody answers.
 */
import { describe, expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID } from "../../test/support/bucket-world.ts";
import { Fault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import { BUCKETS_SHOWN_MAX, type DatabasePromise, LedgerView } from "./ledger-view.ts";

const database = (): DatabasePromise => ({ kind: "server", weakness: "fsync is off", isAccepted: true });

function viewOf(world: BucketWorld, options: { redis?: boolean; durability?: "always" | "everysec" } = {}): LedgerView {
  const { books, store } = world;
  const durability = options.durability ?? "always";
  return new LedgerView({ books, redis: options.redis === false ? null : { store, durability }, database });
}

const crowd = (count: number) => Array.from({ length: count }, (_, index) => attemptOf(`b${index}`));

describe("ledger view", () => {
  test("shows a sale that PostgreSQL alone decides about, with no word about Redis", async () => {
    const world = new BucketWorld({ stock: 10 });
    expect(await viewOf(world, { redis: false }).read(world.sale)).toMatchObject({
      mode: "postgres",
      wanted: "postgres",
      epoch: 1,
      flips: 0,
      buckets: 1,
      durability: null,
      database: { kind: "server", weakness: "fsync is off" },
      backlog: 0,
      bucketStock: [],
    });
    expect(world.calls).toEqual([]);
  });

  test("shows why and since when a sale with a Redis is not in redis mode", async () => {
    const world = await BucketWorld.inRedis();
    await world.clock.advance(5_000);
    await world.leaveRedis();
    const standing = await viewOf(world, { durability: "everysec" }).read(world.sale);
    const sinceMs = world.clock.nowMs();
    expect(standing).toMatchObject({
      mode: "postgres",
      wanted: "redis",
      reason: "test",
      sinceMs,
      durability: "everysec",
    });
  });

  test("counts what Redis accepted and Postgres does not have yet, bucket by bucket", async () => {
    const world = await BucketWorld.inRedis({ stock: 40, buckets: 2 });
    const view = viewOf(world);
    expect(await view.read(world.sale)).toMatchObject({ mode: "redis", wanted: "redis", backlog: 0 });
    await world.finish(world.reserve(crowd(8)));
    const waiting = await view.read(world.sale);
    expect(waiting?.backlog).toBe(8);
    const sum = (name: "available" | "leased" | "reserved") =>
      waiting?.bucketStock?.reduce((units, bucket) => units + bucket[name], 0) ?? 0;
    expect(waiting?.bucketStock?.map(({ sku, bucket, isOpen }) => [sku, bucket, isOpen])).toEqual([
      [world.sale.items[0]?.sku as string, 0, true],
      [world.sale.items[0]?.sku as string, 1, true],
    ]);
    const granted = 40 - world.books.tables.stockRow(ITEM_ID).free;
    expect(granted).toBeGreaterThan(8);
    expect([sum("available") + sum("leased"), sum("reserved")]).toEqual([granted - 8, 8]);
    await world.commit();
    expect((await view.read(world.sale))?.backlog).toBe(0);
    // What was marked as committed is not counted twice.
    for (const address of world.addresses()) {
      const audit = await world.redis.audit(address);
      await world.redis.markCommitted({ ...address, seq: audit?.seq ?? 0 });
    }
    await world.finish(world.reserve([attemptOf("late")]));
    expect((await view.read(world.sale))?.backlog).toBe(1);
  });

  test("a Redis that does not answer makes its figures unknown, not zero, and the rest stays", async () => {
    const world = await BucketWorld.inRedis();
    world.link = () => "lose-call";
    expect(await viewOf(world).read(world.sale)).toMatchObject({ mode: "redis", backlog: null, bucketStock: null });
  });

  test("buckets of another epoch are not this sale's", async () => {
    const world = await BucketWorld.inRedis();
    const { books, sale } = world;
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "warming", reason: "test" });
    expect(await viewOf(world).read(world.sale)).toMatchObject({ mode: "warming", backlog: 0, bucketStock: [] });
  });

  test("a sale that is over is not wanted back in Redis", async () => {
    const world = new BucketWorld();
    const view = viewOf(world);
    expect(await view.read(world.sale)).toMatchObject({ wanted: "redis" });
    world.books.patchSale(world.sale.id, { phase: "closed" });
    expect(await view.read(world.sale)).toMatchObject({ wanted: "postgres" });
  });

  test("a sale that is gone is nobody's, and a database that is away is told as such", async () => {
    const world = new BucketWorld();
    const view = viewOf(world);
    expect(await view.read({ ...world.sale, id: "gone" as SaleId })).toBeNull();
    expect((await view.readAll([])).size).toBe(0);
    const away = {
      readLedgerStates: () => Promise.reject(new Fault("DATABASE_UNAVAILABLE")),
      readBooks: async () => null,
    };
    const error = await new LedgerView({ books: away, redis: null, database })
      .read(world.sale)
      .catch((fault: unknown) => fault);
    expect((error as Fault).code).toBe("DATABASE_UNAVAILABLE");
  });

  test("looks at a bounded number of buckets", async () => {
    const world = await BucketWorld.inRedis({ buckets: 64 });
    const [item] = world.sale.items;
    if (item === undefined) throw new Error("the sale has an item");
    const items = Array.from({ length: 20 }, () => ({ ...item, itemId: ITEM_ID }));
    world.calls.length = 0;
    await viewOf(world).read({ ...world.sale, items });
    expect(world.calls.filter((call) => call === "audit")).toHaveLength(BUCKETS_SHOWN_MAX);
  });
});
