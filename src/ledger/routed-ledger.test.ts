/**
 * The router: each mode has one who decides, and a change of mode costs buyers a pause and not an error.
 */
import { describe, expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID, wordsOf } from "../../test/support/bucket-world.ts";
import type { BatchOutcome } from "../ports/ledger.ts";
import { MODE_WAIT_MS_MAX, RoutedLedger } from "./routed-ledger.ts";

const caught = (work: Promise<unknown>) => work.catch((error: unknown) => error);

/** Whether the work has ended yet. */
function watch(work: Promise<BatchOutcome>): { isOver: boolean } {
  const state = { isOver: false };
  void work.finally(() => {
    state.isOver = true;
  });
  return state;
}

describe("who decides", () => {
  test("Postgres in postgres mode, the buckets in redis mode", async () => {
    const world = new BucketWorld();
    await world.sales.refresh();
    expect(wordsOf(await world.reserve([attemptOf("a")], world.routed))).toEqual(["held"]);
    expect(world.calls).toEqual([]);
    await world.enterRedis();
    world.ledger.start();
    expect(wordsOf(await world.reserve([attemptOf("b")], world.routed))).toEqual(["queued"]);
    await world.leaveRedis();
    expect(wordsOf(await world.reserve([attemptOf("b")], world.routed))).toEqual(["again held"]);
  });

  test("a node without Redis cannot sell what lies in buckets, and says that it does not know", async () => {
    const world = await BucketWorld.inRedis();
    const { postgres, sales, clock } = world;
    const bare = new RoutedLedger({ postgres, redis: null, sales, clock });
    expect(await caught(world.reserve([attemptOf("a")], bare))).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect((await bare.readStock([ITEM_ID]))[0]).toMatchObject({ granted: 10 });
  });

  test("who asks in an epoch that is not the sale's has to look for himself, at once", async () => {
    const world = await BucketWorld.inRedis();
    const batch = { saleId: world.sale.id, itemId: ITEM_ID, epoch: 1, attempts: [attemptOf("a")] };
    expect(await caught(world.routed.reserve(batch))).toMatchObject({ code: "LEDGER_FENCED" });
    await world.leaveRedis();
    expect(await caught(world.routed.reserve(batch))).toMatchObject({ code: "LEDGER_FENCED" });
  });
});

describe("a change of mode", () => {
  test("a batch that meets a shut gate waits for what comes next and is sold there, with the same rids", async () => {
    const world = await BucketWorld.inRedis();
    await world.leaveRedis({ isTold: false });
    const batch = { saleId: world.sale.id, itemId: ITEM_ID, epoch: 2, attempts: [attemptOf("a")] };
    expect(wordsOf(await world.finish(world.routed.reserve(batch)))).toEqual(["held"]);
    expect(world.books.tables.data.orders.get("a-k")?.epoch).toBe(3);
  });

  test("a batch waits while nobody sells, and goes on when the catalogue says so", async () => {
    const world = await BucketWorld.inRedis();
    const { sale } = world;
    await world.books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "redis", to: "draining", reason: "t" });
    await world.sales.refresh();
    const waiting = world.reserve([attemptOf("a")], world.routed);
    const state = watch(waiting);
    await world.clock.advance(MODE_WAIT_MS_MAX - 100);
    expect(state.isOver).toBe(false);
    await world.books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "t" });
    await world.sales.refresh();
    await world.clock.advance(0);
    expect(state.isOver).toBe(true);
    expect(wordsOf(await waiting)).toEqual(["held"]);
  });

  test("a gate that opens a moment after the mode is found without another hint", async () => {
    const world = await BucketWorld.inRedis();
    for (const address of world.addresses()) await world.redis.setGate({ ...address, isOpen: false });
    const waiting = world.reserve([attemptOf("a")], world.routed);
    await world.clock.advance(120);
    for (const address of world.addresses()) await world.redis.setGate({ ...address, isOpen: true });
    await world.clock.advance(60);
    expect(wordsOf(await waiting)).toEqual(["queued"]);
  });

  test("waiting has an end: then it is the fence's refusal, and nothing was reserved anywhere", async () => {
    const world = await BucketWorld.inRedis();
    const { sale } = world;
    await world.books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "redis", to: "draining", reason: "t" });
    await world.sales.refresh();
    const waiting = caught(world.reserve([attemptOf("a")], world.routed));
    await world.clock.advance(MODE_WAIT_MS_MAX);
    expect(await waiting).toMatchObject({ code: "LEDGER_FENCED" });
    expect(world.calls.filter((call) => call === "reserve")).toEqual([]);
  });

  test("an unknown outcome does not wait and is not carried elsewhere: the batcher resends it", async () => {
    const world = await BucketWorld.inRedis();
    world.link = () => "lose-answer";
    expect(await caught(world.reserve([attemptOf("a")], world.routed))).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    world.link = () => "answer";
    await world.leaveRedis();
    expect(wordsOf(await world.reserve([attemptOf("a")], world.routed))).toEqual(["again held"]);
    expect(world.unitsInAllPlaces()).toEqual({ total: 10, sum: 10 });
  });

  test("a bucket that Redis forgot is waited out as well", async () => {
    const world = await BucketWorld.inRedis();
    world.redis.restore({ buckets: new Map(), streams: new Map() });
    const waiting = world.reserve([attemptOf("a")], world.routed);
    await world.clock.advance(200);
    await world.books.fence({ saleId: world.sale.id, seenEpoch: 2, mode: "postgres", reason: "t" });
    await world.clock.advance(60);
    expect(wordsOf(await waiting)).toEqual(["held"]);
  });
});

describe("stock and holders", () => {
  test("the stock counts what lies in buckets as free and what they accepted as held", async () => {
    const world = await BucketWorld.inRedis({ stock: 10, buckets: 3 });
    await world.reserve([attemptOf("a", { quantity: 2 }), attemptOf("b"), attemptOf("c")]);
    const [stock] = await world.routed.readStock([ITEM_ID]);
    expect(stock).toMatchObject({ total: 10, free: 6, granted: 0, held: 4, sold: 0, seq: 3, epoch: 2 });
    await world.commit();
    expect((await world.routed.readStock([ITEM_ID]))[0]).toMatchObject({ free: 6, held: 4, seq: 3 });
  });

  test("a unit on its way is never missing from the stock", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("a")]);
    world.books.adjustStock(ITEM_ID, 1);
    const grant = { saleId: world.sale.id, itemId: ITEM_ID, bucket: 0, epoch: 2, grantId: "g", units: 1 };
    await world.books.placeGrant(grant);
    expect((await world.routed.readStock([ITEM_ID]))[0]).toMatchObject({ free: 1 });
    await world.redis.credit({ itemId: ITEM_ID, bucket: 0, epoch: 2, creditId: "g", units: 1, notes: [] });
    expect((await world.routed.readStock([ITEM_ID]))[0]).toMatchObject({ free: 1 });
    const back = { saleId: world.sale.id, itemId: ITEM_ID, bucket: 0, epoch: 2, grantId: "h", units: 1 };
    await world.books.settleGrant({ grantId: "g", movedUnits: 1 });
    await world.books.askBack(back);
    await world.redis.credit({ itemId: ITEM_ID, bucket: 0, epoch: 2, creditId: "h", units: -1, notes: [] });
    expect((await world.routed.readStock([ITEM_ID]))[0]).toMatchObject({ free: 1 });
  });

  test("buckets that do not answer have no stock; a sale that moved on has the one of Postgres", async () => {
    const world = await BucketWorld.inRedis();
    world.link = () => "lose-call";
    expect(await caught(world.routed.readStock([ITEM_ID]))).toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    world.link = () => "answer";
    await world.leaveRedis({ isTold: false });
    expect((await world.routed.readStock([ITEM_ID]))[0]).toMatchObject({ free: 10, epoch: 3 });
  });

  test("holders are complete across modes, although commits come in any order", async () => {
    const world = new BucketWorld({ stock: 40, buckets: 2 });
    const seen = new Set<string>();
    let cursor = "";
    const readAll = async () => {
      for (;;) {
        const page = await world.routed.readHolders({ itemId: ITEM_ID, cursor, rowsMax: 3 });
        expect(page.buyerIds.length).toBeLessThanOrEqual(3);
        for (const buyerId of page.buyerIds) seen.add(buyerId);
        if (page.cursor === cursor) return;
        cursor = page.cursor;
      }
    };
    const crowd = (prefix: string) => Array.from({ length: 5 }, (_, index) => attemptOf(`${prefix}${index}`));
    const everybody: string[] = [];
    await world.sales.refresh();
    for (const [round, prefix] of ["a", "b", "c", "d", "e"].entries()) {
      for (const attempt of crowd(prefix)) {
        await world.reserve([attempt], world.routed);
        everybody.push(attempt.buyerId);
      }
      await readAll();
      expect([...seen].sort()).toEqual([...everybody].sort());
      if (round === 1) await world.commit();
      if (round === 2) await world.leaveRedis();
      if (round === 0 || round === 3) await world.enterRedis();
    }
    expect(everybody.length).toBe(25);
  });

  test("a cursor of an epoch that is over begins anew where it must, and leaves nobody out", async () => {
    const world = await BucketWorld.inRedis({ stock: 40 });
    const read = async (from: string) => {
      const seen: string[] = [];
      let cursor = from;
      for (let isLast = false; !isLast; ) {
        const page = await world.routed.readHolders({ itemId: ITEM_ID, cursor, rowsMax: 10 });
        seen.push(...page.buyerIds);
        isLast = page.cursor === cursor;
        cursor = page.cursor;
      }
      return { seen, cursor };
    };
    for (const buyer of ["a", "b", "c"]) await world.reserve([attemptOf(buyer)]);
    const { cursor } = await read("");
    for (const buyer of ["d", "e"]) await world.reserve([attemptOf(buyer)]);
    await world.leaveRedis();
    await world.enterRedis();
    await world.reserve([attemptOf("f")]);
    const { seen } = await read(cursor);
    for (const buyer of ["d", "e", "f"]) expect(seen).toContain(buyer);
  });

  test("holders whose entries were trimmed come from Postgres", async () => {
    const world = await BucketWorld.inRedis({ stock: 40 });
    for (const buyer of ["a", "b", "c", "d"]) await world.reserve([attemptOf(buyer)]);
    await world.commit();
    for (const [throughSeq, expected] of [
      [2, ["a", "b", "c", "d"]],
      [4, ["a", "b", "c", "d"]],
    ] as const) {
      await world.redis.trim({ itemId: ITEM_ID, bucket: 0, epoch: 2, throughSeq });
      const seen: string[] = [];
      for (let cursor = "", isLast = false; !isLast; ) {
        const page = await world.routed.readHolders({ itemId: ITEM_ID, cursor, rowsMax: 3 });
        seen.push(...page.buyerIds);
        isLast = page.cursor === cursor;
        cursor = page.cursor;
      }
      expect([...new Set(seen)].sort()).toEqual([...expected]);
    }
  });
});
