/**
 * Hints between processes over a real Redis: they reach the others, one's own process at once and once, and nothing else.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RedisCommitFeed } from "../../src/adapters/redis/redis-commit-feed.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";

const BUCKET = { itemId: 1, bucket: 2, epoch: 3 };
const HINT = { ...BUCKET, firstSeq: 4, lastSeq: 9, holdUntil: 1_790_000_000_000 };
const UNEVEN = { ...HINT, firstSeq: 10, lastSeq: 12, holdUntil: null };
const LAST = { ...HINT, itemId: 7 };

let server: RedisServer;
let worker: Heard;
let node: Heard;

/** A process with all that it heard. */
class Heard {
  readonly feed = new RedisCommitFeed({ urls: [server.url], deployment: "test00000001", log: new RecordingLog() });
  hints: unknown[] = [];
  wakes: unknown[] = [];

  constructor() {
    this.feed.subscribe((hint) => this.hints.push(hint));
    this.feed.onWake((bucket) => this.wakes.push(bucket));
  }
}

before(async () => {
  server = await RedisServer.start({ appendOnly: false });
  [worker, node] = [new Heard(), new Heard()];
  await Promise.all([worker.feed.start(), node.feed.start()]);
  for (const [sender, hearer] of [
    [worker, node],
    [node, worker],
  ] as const) {
    await waitUntil("the connections to be there", () => {
      sender.feed.wake(BUCKET);
      return hearer.wakes.length > 0;
    });
  }
});

after(async () => {
  await Promise.all([worker.feed.stop(), node.feed.stop()]);
  await server.stop();
});

/** Both have heard everything that was sent before, since a connection keeps the order. */
async function untilQuiet(): Promise<void> {
  for (const one of [worker, node]) one.feed.publish([LAST]);
  const hasBoth = ({ hints }: Heard) =>
    hints.filter((hint) => JSON.stringify(hint) === JSON.stringify(LAST)).length >= 2;
  await waitUntil("the last hints", () => hasBoth(worker) && hasBoth(node));
  for (const one of [worker, node])
    one.hints = one.hints.filter((hint) => (hint as typeof HINT).itemId !== LAST.itemId);
}

test("a hint of a commit reaches other processes as it was sent, and one's own at once and once", async () => {
  await untilQuiet();
  worker.feed.publish([HINT, UNEVEN]);
  assert.deepEqual(worker.hints, [HINT, UNEVEN]);
  await untilQuiet();
  assert.deepEqual(
    [worker.hints, node.hints],
    [
      [HINT, UNEVEN],
      [HINT, UNEVEN],
    ],
  );
});

test("who waits for acceptances is woken, whichever process accepted", async () => {
  await untilQuiet();
  for (const one of [worker, node]) one.wakes = [];
  node.feed.wake(BUCKET);
  assert.deepEqual(node.wakes, [BUCKET]);
  await untilQuiet();
  assert.deepEqual([worker.wakes, node.wakes], [[BUCKET], [BUCKET]]);
});

test("a text that is neither is nobody's hint", async () => {
  await untilQuiet();
  for (const one of [worker, node]) [one.hints, one.wakes] = [[], []];
  const text = ["", "wake", "wake 1 2", "wake 1 2 3 4", "1 2 3 4 5", "1 2 3 4 5 x", "wake -1 2 3"].join("\n");
  const [channel] = (await server.call("PUBSUB", "CHANNELS")) as string[];
  await server.call("PUBLISH", channel as string, text);
  await untilQuiet();
  assert.deepEqual([worker.hints, worker.wakes], [[], []]);
});
