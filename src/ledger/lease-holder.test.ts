/**
 * Leases follow what a node sells, are renewed, given back and lost; and whatever becomes of them, they sell nothing.
 */
import { describe, expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID, wordsOf } from "../../test/support/bucket-world.ts";
import type { LeaseCall } from "../ports/bucket-store.ts";
import { STALLED_UNITS_MIN } from "./batcher.ts";
import { LEASE_RENEW_MS, LEASE_TTL_MS } from "./lease-holder.ts";
import { STALL_MS } from "./stall-watch.ts";

const crowd = (count: number, prefix = "b") =>
  Array.from({ length: count }, (_, index) => attemptOf(`${prefix}${index}`));
const bucketOfWorld = (world: BucketWorld) => {
  const audit = world.redis.auditNow({ itemId: ITEM_ID, bucket: 0 });
  if (audit === null) throw new Error("no bucket");
  return audit;
};

/** A world that has sold for a second, so that the node has a lease. */
async function selling(stock = 1_000): Promise<BucketWorld & { leaseCalls: LeaseCall[] }> {
  const world = await BucketWorld.inRedis({ stock });
  const leaseCalls: LeaseCall[] = [];
  world.link = (call, request) => {
    if (call === "lease") leaseCalls.push(request as LeaseCall);
    return "answer";
  };
  await world.reserve(crowd(100));
  await world.clock.advance(LEASE_RENEW_MS);
  return Object.assign(world, { leaseCalls });
}

describe("leases", () => {
  test("are as large as what the node accepts in a lease's time", async () => {
    const world = await selling();
    expect(world.leaseCalls).toMatchObject([{ op: "acquire", units: 150, ttlMs: LEASE_TTL_MS, nodeId: "node-a" }]);
    expect(bucketOfWorld(world)).toMatchObject({ leased: 150, available: 750 });
  });

  test("are named by every flush, which uses them up first", async () => {
    const world = await selling();
    await world.reserve(crowd(100, "c"));
    expect(bucketOfWorld(world)).toMatchObject({ leased: 50, available: 750 });
  });

  test("are renewed while the node sells, and given back when it does not", async () => {
    const world = await selling();
    await world.reserve(crowd(40, "c"));
    await world.clock.advance(LEASE_RENEW_MS);
    expect(world.leaseCalls.at(-1)).toMatchObject({ op: "renew" });
    for (let second = 0; second < 12; second += 1) await world.clock.advance(LEASE_RENEW_MS);
    expect(world.leaseCalls.at(-1)).toMatchObject({ op: "return" });
    expect(bucketOfWorld(world)).toMatchObject({ leased: 0, available: 860 });
    const { length } = world.leaseCalls;
    await world.clock.advance(10_000);
    expect(world.leaseCalls.length).toBe(length);
  });

  test("go back when the node stops", async () => {
    const world = await selling();
    await world.ledger.stop();
    expect(bucketOfWorld(world)).toMatchObject({ leased: 0, available: 900 });
  });

  test("never carry an id twice, not even over a restart under the same node id", async () => {
    const world = await selling();
    await world.ledger.stop();
    const reborn = world.node("node-a");
    reborn.start();
    await world.reserve(crowd(100, "c"), reborn);
    await world.clock.advance(LEASE_RENEW_MS);
    const ids = world.leaseCalls.flatMap((call) => (call.op === "acquire" ? [call.leaseId] : []));
    expect(ids.length).toBe(2);
    expect(new Set(ids).size).toBe(2);
  });

  test("a zombie's lease sells nothing: it slept, its units were sold by others, and its flush comes back empty", async () => {
    const world = await selling(200);
    const leased = bucketOfWorld(world).leased;
    expect(leased).toBeGreaterThan(0);
    // The node sleeps; its lease runs out and is swept; somebody else sells everything.
    world.clock.jump(LEASE_TTL_MS * 2);
    await world.redis.lease({ itemId: ITEM_ID, bucket: 0, epoch: 2, op: "sweep" });
    const other = world.node("node-b");
    for (let index = 0; index < 100; index += 1) {
      expect(wordsOf(await world.reserve([attemptOf(`o${index}`)], other))).toEqual(["queued"]);
    }
    expect(wordsOf(await world.finish(world.reserve([attemptOf("zombie")])))).toEqual(["empty"]);
    expect(bucketOfWorld(world)).toMatchObject({ reserved: 200, available: 0, leased: 0 });
  });

  test("units leased to another node are no reason to say empty", async () => {
    const world = await selling(200);
    const other = world.node("node-b");
    for (let index = 0; index < 100; index += 1) {
      expect(wordsOf(await world.reserve([attemptOf(`o${index}`)], other))).toEqual(["queued"]);
    }
  });

  test("a lease that was taken back is dropped, and another one taken", async () => {
    const world = await selling(200);
    await world.redis.credit({ itemId: ITEM_ID, bucket: 0, epoch: 2, creditId: "take", units: -90, notes: [] });
    await world.reserve(crowd(5, "c"));
    await world.clock.advance(LEASE_RENEW_MS);
    expect(world.leaseCalls.filter((call) => call.op === "acquire").length).toBe(2);
  });
});

describe("a stall of Redis", () => {
  test("keeps as many waiting as the lease covers, while its hint is good; then a few, so that its end is noticed", async () => {
    const world = await selling();
    expect(world.ledger.certainUnits(ITEM_ID)).toBeNull();
    world.link = (call) => (call === "reserve" ? "hang" : "answer");
    void world.reserve(crowd(1, "d"));
    await world.clock.advance(STALL_MS);
    expect(world.ledger.certainUnits(ITEM_ID)).toBeNull();
    await world.clock.advance(1);
    expect(world.ledger.certainUnits(ITEM_ID)).toBe(150);
    world.link = () => "hang";
    await world.clock.advance(LEASE_TTL_MS);
    expect(world.ledger.certainUnits(ITEM_ID)).toBe(0);
    expect(STALLED_UNITS_MIN).toBeGreaterThan(0);
    world.link = () => "answer";
    await world.reserve(crowd(1, "e"));
    await world.clock.advance(STALL_MS * 2);
    // The hanging call is open still, but others are answered again.
    await world.reserve(crowd(1, "f"));
    expect(world.ledger.certainUnits(ITEM_ID)).toBeNull();
  });
});
