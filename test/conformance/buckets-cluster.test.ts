/** Scripts against their model on a Cluster of three, whose nodes share the buckets. */
import { hashSlot } from "../../src/adapters/redis/hash-slot.ts";
import { RedisCluster } from "../support/redis-server.ts";
import { describeBucketHistories } from "./bucket-histories.suite.ts";

/** The scripts are those of one server; by day a Cluster has to show that they reach the right one. */
const STEPS = process.env["RUNS"] !== undefined ? 20_000 : process.versions["bun"] === undefined ? 1_000 : 5_000;

describeBucketHistories("Cluster of three", STEPS, async () => {
  const cluster = await RedisCluster.start({ appendOnly: false });
  return {
    urls: cluster.urls,
    call: (key, ...args) => cluster.nodeOf(hashSlot(/\{(.+)\}/.exec(key)?.[1] ?? key)).call(...args),
    stop: () => cluster.stop(),
  };
});
