/**
 * Asking about many buckets with one question, for new entries or for an audit: each asker's answer is his bucket's, wherever
 * the buckets lie.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hashSlot } from "../../src/adapters/redis/hash-slot.ts";
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import { RedisCluster, RedisServer } from "../support/redis-server.ts";
import { attemptsOf, DEPLOYMENT, openBucket, openStore } from "./bucket-fixture.ts";
import { present } from "./ledger-fixture.ts";

const BUCKETS = 150;
const reader = { consumerId: "w", entriesMax: 2 };

interface Servers {
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

const places: readonly { readonly name: string; readonly start: () => Promise<Servers> }[] = [
  {
    name: "one server",
    start: async () => {
      const server = await RedisServer.start();
      return { urls: [server.url], stop: () => server.stop() };
    },
  },
  { name: "a Cluster", start: () => RedisCluster.start() },
];

for (const { name, start } of places) {
  describe(`streams read together on ${name}`, () => {
    let servers: Servers;
    let store: BucketStore;
    before(async () => {
      servers = await start();
      store = await openStore([...servers.urls]);
    });
    after(async () => {
      await store.close();
      await servers.stop();
    });

    test("come in the order in which they were asked for, as many entries of each as were asked for", async () => {
      const streams = Array.from({ length: BUCKETS }, (_, bucket) => ({ itemId: 1, bucket, epoch: 1 }));
      for (const stream of streams) await openBucket(store, stream, { units: 9 });
      assert.deepEqual(await store.readNewOfEach({ ...reader, streams }), Array(BUCKETS).fill([]));
      for (const bucket of [3, 140]) {
        for (let first = 0; first < 3; first += 1) {
          const attempts = attemptsOf(first * 2, 2);
          await store.reserve({ itemId: 1, bucket, epoch: 1, leaseId: null, attempts });
        }
      }
      const seqsOf = async () => {
        const lists = await store.readNewOfEach({ ...reader, streams });
        return lists.flatMap((entries, bucket) => (entries ?? []).map(({ lastSeq }) => [bucket, lastSeq]));
      };
      assert.deepEqual(await seqsOf(), [
        [3, 2],
        [3, 4],
        [140, 2],
        [140, 4],
      ]);
      assert.deepEqual(await seqsOf(), [
        [3, 6],
        [140, 6],
      ]);
      assert.deepEqual(await seqsOf(), []);
      const claimed = await store.claimStale({
        itemId: 1,
        bucket: 3,
        epoch: 1,
        ...reader,
        entriesMax: 9,
        idleMsMin: 0,
      });
      assert.deepEqual(
        claimed.entries.map(({ lastSeq }) => lastSeq),
        [2, 4, 6],
        "what was read is pending, as after any read",
      );
    });

    test("do not keep each other from being read when one of them does not exist", async () => {
      const there = { itemId: 2, bucket: 0, epoch: 1 };
      await openBucket(store, there, { units: 9 });
      await store.reserve({ ...there, leaseId: null, attempts: attemptsOf(0, 2) });
      const streams = [{ itemId: 3, bucket: 0, epoch: 1 }, there, { ...there, epoch: 7 }];
      const lists = await store.readNewOfEach({ ...reader, streams });
      assert.deepEqual(
        lists.map((entries) => entries?.map(({ lastSeq }) => lastSeq)),
        [[], [2], []],
      );
    });

    test("are looked at in the order in which they were asked for, several askers at a time", async () => {
      const addresses = Array.from({ length: BUCKETS }, (_, bucket) => ({ itemId: 4, bucket }));
      for (const address of addresses.slice(1)) await openBucket(store, { ...address, epoch: 1 }, { units: 9 });
      for (const bucket of [3, 140]) {
        await store.reserve({ itemId: 4, bucket, epoch: 1, leaseId: null, attempts: attemptsOf(bucket, 2) });
      }
      const [all, few, none] = await Promise.all([
        store.auditEach(addresses),
        store.auditEach([140, 7].map((bucket) => ({ itemId: 4, bucket }))),
        store.auditEach([]),
      ]);
      const reserved = all.map((audit) => audit?.reserved ?? null);
      assert.deepEqual(
        reserved,
        addresses.map(({ bucket }) => (bucket === 0 ? null : bucket === 3 || bucket === 140 ? 2 : 0)),
      );
      assert.deepEqual([few.map((audit) => audit?.available), none], [[7, 9], []]);
      const { nowMs: _, ...together } = present(all[140]);
      const { nowMs: __, ...alone } = present(await store.audit({ itemId: 4, bucket: 140 }));
      assert.deepEqual(together, alone);
    });
  });
}

test("a bucket that somebody damaged keeps nobody from being told of the others", async () => {
  const server = await RedisServer.start();
  const store = await openStore([server.url]);
  const addresses = [0, 1, 2].map((bucket) => ({ itemId: 1, bucket }));
  for (const address of addresses) await openBucket(store, { ...address, epoch: 1 }, { units: 9 });
  await server.call("SET", `{${DEPLOYMENT}.1.1}:leases`, "not a hash");
  const looks = await Promise.allSettled(addresses.map((address) => store.auditEach([address])));
  assert.deepEqual(
    looks.map((look) => (look.status === "fulfilled" ? look.value[0]?.available : look.reason.internal.split(" ")[0])),
    [9, "WRONGTYPE", 9],
  );
  await Promise.all([store.close(), server.stop()]);
});

test("in a Cluster, the buckets of a node that is gone keep nobody from the others", async () => {
  const cluster = await RedisCluster.start();
  const store = await openStore([...cluster.urls]);
  const streams = Array.from({ length: 24 }, (_, bucket) => ({ itemId: 1, bucket, epoch: 1 }));
  for (const stream of streams) {
    await openBucket(store, stream, { units: 9 });
    await store.reserve({ ...stream, leaseId: null, attempts: attemptsOf(0, 1) });
  }
  const isOn = (node: RedisServer, { itemId, bucket }: { itemId: number; bucket: number }): boolean =>
    cluster.nodeOf(hashSlot(`${DEPLOYMENT}.${itemId}.${bucket}`)) === node;
  const dead = cluster.nodes[0] as RedisServer;
  await dead.kill();
  const lists = await store.readNewOfEach({ ...reader, streams });
  assert.deepEqual(
    lists.map((entries) => entries?.length ?? null),
    streams.map((stream) => (isOn(dead, stream) ? null : 1)),
  );
  assert.ok(lists.includes(null));
  await Promise.all([store.close(), cluster.stop()]);
});
