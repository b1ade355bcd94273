/** Scripts against their model on one server. */
import { RedisServer } from "../support/redis-server.ts";
import { describeBucketHistories } from "./bucket-histories.suite.ts";

const STEPS = process.versions["bun"] === undefined ? 2_000 : 20_000;

describeBucketHistories("one server", STEPS, async () => {
  const server = await RedisServer.start({ appendOnly: false });
  return { urls: [server.url], call: (_key, ...args) => server.call(...args), stop: () => server.stop() };
});
