/**
 * The last units of a split item find a buyer whatever the order of calls, and nobody who was turned away gets one.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { attemptOf, BucketWorld, ITEM_ID, wordsOf } from "../../test/support/bucket-world.ts";
import { bucketOf } from "./bucket-of.ts";
import { TOP_UP_WAIT_MS_MAX } from "./empty-desk.ts";

/** Names of buyers, one for each bucket, in the order of the buckets. */
function buyersByBucket(buckets: number): string[] {
  const buyers: string[] = [];
  for (let index = 0; buyers.filter(Boolean).length < buckets; index += 1) {
    buyers[bucketOf(`b${index}`, buckets)] ??= `b${index}`;
  }
  return buyers;
}

const unitsLeft = (world: BucketWorld) =>
  world.books.tables.stockRow(ITEM_ID).free +
  world.addresses().reduce((sum, address) => {
    const audit = world.redis.auditNow(address);
    return sum + (audit === null ? 0 : audit.available + audit.leased);
  }, 0);

describe("turning away", () => {
  test("buckets that come up empty together do not keep the last units from each other", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 2, max: 4 }),
        fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 1, max: 8 }),
        async (scheduler, buckets, quantities, stock) => {
          const world = await BucketWorld.inRedis({ stock, buckets });
          world.delay = () => scheduler.schedule(Promise.resolve());
          const attempts = buyersByBucket(buckets).map((buyer, bucket) =>
            attemptOf(buyer, { quantity: quantities[bucket] ?? 1 }),
          );
          const answer = world.reserve(attempts);
          let isDone = false;
          const watched = answer.finally(() => {
            isDone = true;
          });
          for (let step = 0; step < 2_000 && !isDone; step += 1) {
            if (scheduler.count() > 0) await scheduler.waitOne();
            else await world.clock.advance(1);
          }
          const { outcomes } = await watched;
          const words = wordsOf({ outcomes, stock: null });
          for (const [index, outcome] of outcomes.entries()) {
            if (outcome.kind !== "refused" || outcome.left === undefined) continue;
            // Less than he asked for, or it would have been his; and never nothing.
            expect(outcome.left).toBeGreaterThan(0);
            expect(outcome.left).toBeLessThan(attempts[index]?.quantity ?? 0);
          }
          const left = unitsLeft(world);
          for (const [index, word] of words.entries()) {
            // Whoever was turned away could not have had what is left now.
            if (word === "empty") expect(left).toBeLessThan(attempts[index]?.quantity ?? 0);
            else expect(word).toBe("queued");
          }
          await world.ledger.stop();
        },
      ),
      { numRuns: 150 },
    );
  });

  test("units that arrive too late are not reserved for somebody who was turned away", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("first")]);
    world.books.adjustStock(ITEM_ID, 1);
    let arrive: () => void = () => undefined;
    world.delay = (call) => (call === "credit" ? new Promise((resolve) => (arrive = resolve)) : Promise.resolve());
    const answer = world.reserve([attemptOf("second")]);
    await world.clock.advance(TOP_UP_WAIT_MS_MAX + 1);
    expect(wordsOf(await answer)).toEqual(["empty"]);
    arrive();
    await world.clock.advance(1_000);
    expect(world.redis.auditNow({ itemId: ITEM_ID, bucket: 0 })).toMatchObject({ reserved: 1, available: 1 });
  });

  test("a turn that hangs does not keep those who come later from theirs", async () => {
    const world = await BucketWorld.inRedis({ stock: 1 });
    await world.reserve([attemptOf("first")]);
    world.books.adjustStock(ITEM_ID, 1);
    world.link = (call) => (call === "credit" ? "hang" : "answer");
    const hanging = world.reserve([attemptOf("second")]);
    await world.clock.advance(TOP_UP_WAIT_MS_MAX - 20);
    world.link = () => "answer";
    const next = world.reserve([attemptOf("third")]);
    await world.clock.advance(TOP_UP_WAIT_MS_MAX);
    expect(wordsOf(await hanging)).toEqual(["empty"]);
    expect(wordsOf(await next)).toEqual(["queued"]);
  });
});
