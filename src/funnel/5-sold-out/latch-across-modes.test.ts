/**
 * A latch over a ledger that changes its mode: whoever was accepted meanwhile still reaches the ledger.
 */
import { expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID, wordsOf } from "../../../test/support/bucket-world.ts";
import { KeyedHash } from "../keyed-hash.ts";
import { HolderSet } from "./holder-set.ts";
import { SoldOutLatch } from "./latch.ts";

/** What the latch keeper does in one pass. */
async function pass(world: BucketWorld, latch: SoldOutLatch): Promise<void> {
  const [stock] = await world.routed.readStock([ITEM_ID]);
  if (stock === undefined) throw new Error("no stock");
  latch.observe(stock, world.clock.monotonicMs());
  const wanted = latch.holdersWanted;
  if (wanted === null) return;
  for (let cursor = "", isLast = false; !isLast; ) {
    const page = await world.routed.readHolders({ itemId: ITEM_ID, cursor, rowsMax: 100 });
    for (const buyerId of page.buyerIds) latch.holders.add(buyerId);
    isLast = page.cursor === cursor;
    cursor = page.cursor;
  }
  latch.holdersRead(wanted);
}

test("holders that were read while the buckets were made ready are not those who buy from the buckets later", async () => {
  const world = new BucketWorld({ stock: 1 });
  const latch = new SoldOutLatch(new HolderSet(new KeyedHash({ word0: 1, word1: 2 })));
  const refusalOf = (buyerId: string) =>
    latch.check({ buyerId, saleEpoch: world.sale.epoch, nowMs: world.clock.monotonicMs() });
  await world.sales.refresh();
  world.ledger.start();
  expect(wordsOf(await world.reserve([attemptOf("a")], world.routed))).toEqual(["held"]);

  const { books } = world;
  const changeMode = books.changeMode.bind(books);
  books.changeMode = async (request) => {
    await world.sales.refresh();
    expect(world.sales.findSale(world.sale.id)?.mode).toBe("warming");
    await pass(world, latch);
    expect(refusalOf("somebody")?.reason).toBe("empty");
    expect(refusalOf("a")).toBeNull();
    return changeMode(request);
  };
  await world.enterRedis();

  await books.orders.cancelHold(attemptOf("a"));
  await world.relay.run(world.sale);
  expect(wordsOf(await world.reserve([attemptOf("b")], world.routed))).toEqual(["queued"]);
  await pass(world, latch);
  expect(refusalOf("b")).toBeNull();
  expect(refusalOf("somebody")?.reason).toBe("empty");
});
