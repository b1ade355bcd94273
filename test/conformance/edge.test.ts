/** The edge's suite on its model, and on a real Redis that is killed, frozen, filled and emptied beside. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import { createRedisEdgeState } from "../../src/adapters/redis-edge/redis-edge-state.ts";
import { isFault } from "../../src/domain/faults.ts";
import type { BuyerId } from "../../src/domain/ids.ts";
import { LimitExchange } from "../../src/funnel/4-throttle/limit-exchange.ts";
import { Throttle } from "../../src/funnel/4-throttle/throttle.ts";
import { type EdgeState, LIMIT_USES_MAX } from "../../src/ports/edge-state.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryEdge } from "../support/memory-edge.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";
import { describeEdge } from "./edge.suite.ts";

const clock = createSystemClock();
const random = createSystemRandom();
/** As docs/configuration.md says an edge should run. */
const EVICTABLE = { appendOnly: false, settings: { maxmemory: "8mb", "maxmemory-policy": "volatile-ttl" } };

/** A thousand nonces each; the long run sends a million (T3). */
const NONCE_ROUNDS = process.env["RUNS"] === undefined ? 100 : 1_000;

interface OpenEdge {
  readonly edge: EdgeState;
  readonly log: RecordingLog;
}

/** For tests of what is answered rather than when: the machine may be busy. */
const PATIENT = { answerMsMax: 10_000 };

function openEdge(url: string, options: { deployment?: string; answerMsMax?: number } = {}): OpenEdge {
  const log = new RecordingLog();
  const edge = createRedisEdgeState({ url, deployment: "tests", clock, random, log, ...options });
  edge.start();
  return { edge, log };
}

async function openReachable(url: string, options: { answerMsMax?: number } = {}): Promise<OpenEdge> {
  const opened = openEdge(url, options);
  await waitUntil("the edge", () => opened.edge.isReachable());
  return opened;
}

describeEdge("memory", async () => {
  const manual = new ManualClock();
  return {
    edge: new MemoryEdge(manual),
    pass: async (durationMs) => manual.jump(durationMs),
    close: async () => undefined,
  };
});

describeEdge("redis", async () => {
  const server = await RedisServer.start(EVICTABLE);
  const { edge } = await openReachable(server.url, PATIENT);
  return {
    edge,
    pass: (durationMs) => new Promise((resolve) => clock.setTimer(durationMs, () => resolve())),
    async close() {
      await edge.stop();
      await server.stop();
    },
  };
});

const claimOnce = (edge: EdgeState) => edge.claimNonce({ sessionKey: "s", nonceKey: random.id(), ttlMs: 60_000 });
const refuses = (edge: EdgeState) => assert.rejects(claimOnce(edge), (error) => isFault(error, "EDGE_UNAVAILABLE"));

describe("edge: a Redis that fails", () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start(EVICTABLE);
  });
  after(async () => server.stop());

  test("is asked again as soon as it is back, with a line in the log for each change", async () => {
    const { edge, log } = await openReachable(server.url, PATIENT);
    await claimOnce(edge);
    assert.equal(log.lines.length, 0);
    await server.kill();
    await waitUntil("the loss to be noticed", () => !edge.isReachable());
    await refuses(edge);
    await server.startServer();
    await waitUntil("the edge", () => edge.isReachable());
    // Its scripts died with it.
    assert.equal(await claimOnce(edge), true);
    assert.deepEqual(
      log.lines.map((line) => line.level),
      ["warn", "info"],
    );
    await edge.stop();
  });

  test("costs a caller nothing while it is away", async () => {
    await server.kill();
    const { edge, log } = openEdge(server.url, PATIENT);
    await waitUntil("the warning", () => log.count("warn") === 1);
    const startedMs = clock.monotonicMs();
    for (let count = 0; count < 1_000; count += 1) await refuses(edge);
    assert.ok(clock.monotonicMs() - startedMs < 500, "a thousand refused calls took longer than half a second");
    await server.startServer();
    await waitUntil("the edge", () => edge.isReachable());
    await edge.stop();
  });

  test("that hangs is waited for once, for a tenth of a second, and is trusted again when it goes on", async () => {
    const { edge, log } = await openReachable(server.url);
    await claimOnce(edge);
    server.freeze();
    const startedMs = clock.monotonicMs();
    await refuses(edge);
    const waitedMs = clock.monotonicMs() - startedMs;
    assert.ok(waitedMs >= 95 && waitedMs < 1_000, `waited ${waitedMs} ms`);
    assert.equal(edge.isReachable(), false);
    const againMs = clock.monotonicMs();
    for (let count = 0; count < 100; count += 1) await refuses(edge);
    assert.ok(clock.monotonicMs() - againMs < 1_000, "who comes later waits as well");
    // Long enough for the connection to be given up, and for new ones to be accepted by nobody.
    await new Promise<void>((resolve) => clock.setTimer(1_500, () => resolve()));
    assert.equal(edge.isReachable(), false);
    server.thaw();
    await waitUntil("the edge", () => edge.isReachable());
    assert.equal(await claimOnce(edge), true);
    assert.equal(log.count("warn"), 1);
    await edge.stop();
  });

  test("that forgets its scripts is sent their text", async () => {
    const { edge } = await openReachable(server.url, PATIENT);
    await claimOnce(edge);
    await server.call("SCRIPT", "FLUSH");
    assert.equal(await claimOnce(edge), true);
    await edge.stop();
  });

  test("that wants another password is away, and the log does not repeat ours", async () => {
    const locked = await RedisServer.start(EVICTABLE);
    await locked.call("CONFIG", "SET", "requirepass", "the-right-one");
    const { edge, log } = openEdge(locked.url.replace("//", "//:hunter2@"));
    await waitUntil("the warning", () => log.count("warn") === 1);
    await refuses(edge);
    assert.ok(!JSON.stringify(log.lines).includes("hunter2"));
    await edge.stop();
    await locked.stop();
  });
});

describe("edge: its memory", () => {
  let server: RedisServer;
  let opened: OpenEdge;
  before(async () => {
    server = await RedisServer.start(EVICTABLE);
    opened = await openReachable(server.url, PATIENT);
  });
  after(async () => {
    await opened.edge.stop();
    await server.stop();
  });

  const keyCount = async () => Number(await server.call("DBSIZE"));
  const share = (count: number, scope: string, requests = 1) =>
    opened.edge.shareLimits({
      scope,
      costsMs: [200],
      aheadMsMax: 60_000,
      uses: Array.from({ length: LIMIT_USES_MAX }, (_, index) => ({
        key: `${count * LIMIT_USES_MAX + index}`.padStart(16, "0"),
        requests,
        ageMs: 0,
      })),
    });

  test("a session that uses a hundred thousand nonces takes a kilobyte", async () => {
    const sessionKey = "5".repeat(16);
    for (let round = 0; round < NONCE_ROUNDS; round += 1) {
      const claims = Array.from({ length: 1_000 }, (_, index) => {
        const nonceKey = (round * 1_000 + index).toString(16).padStart(16, "0");
        return opened.edge.claimNonce({ sessionKey, nonceKey, ttlMs: 60_000 });
      });
      assert.ok((await Promise.all(claims)).every(Boolean));
    }
    const [key] = (await server.call("KEYS", "*")) as string[];
    assert.equal(await keyCount(), 1);
    assert.equal(await server.call("STRLEN", key ?? ""), 1_024);
    assert.ok(Number(await server.call("MEMORY", "USAGE", key ?? "")) < 2_048);
    await server.call("FLUSHALL");
  });

  test("every key expires by itself, and holds no name", async () => {
    await share(0, "attempts.buyer");
    await opened.edge.claimNonce({ sessionKey: "a".repeat(16), nonceKey: "b".repeat(16), ttlMs: 300 });
    await opened.edge.readShared({ key: "c", freshMs: 1_000, makeMsMax: 300 });
    await opened.edge.writeShared({ key: "d", text: "text", ageMs: 0, ttlMs: 300 });
    const keys = (await server.call("KEYS", "*")) as string[];
    assert.ok(keys.length > LIMIT_USES_MAX);
    for (const key of keys.filter((_, index) => index % 50 === 0 || !keys[index]?.includes(":limit:"))) {
      const leftMs = Number(await server.call("PTTL", key));
      assert.ok(leftMs > 0 && leftMs <= 300, `${key} expires in ${leftMs} ms`);
    }
    await waitUntil("every key to expire", async () => (await keyCount()) === 0);
  });

  test("a flood of keys beyond the memory is evicted, and the edge goes on answering", async () => {
    for (let count = 0; count < 200; count += 1) await share(count, "attempts.network", 250);
    const held = await keyCount();
    assert.ok(held > 0 && held < 200 * LIMIT_USES_MAX, `${held} keys`);
    assert.ok(String(await server.call("INFO", "stats")).match(/evicted_keys:[1-9]/));
    assert.equal(opened.edge.isReachable(), true);
    await server.call("FLUSHALL");
  });

  test("deployments on one server do not meet", async () => {
    const other = openEdge(server.url, { deployment: "others", ...PATIENT });
    await waitUntil("the edge", () => other.edge.isReachable());
    const claim = { sessionKey: "s", nonceKey: "n", ttlMs: 60_000 };
    assert.equal(await opened.edge.claimNonce(claim), true);
    assert.equal(await other.edge.claimNonce(claim), true);
    assert.equal(await other.edge.claimNonce(claim), false);
    await other.edge.stop();
  });
});

describe("edge: three nodes and one greedy buyer", () => {
  const SECONDS = 3;
  const PER_S = 10;
  /** What one limit lets through in that time: everything at once, then one after the other. */
  const ONE_LIMIT = PER_S + SECONDS * PER_S;

  /** A node on an edge of its own, as another process would have it. */
  function openNode(url: string) {
    const { edge, log } = openEdge(url);
    const exchange = new LimitExchange({ edge, hashKey: { word0: 1, word1: 2 }, clock, random, log });
    const throttle = new Throttle({
      limits: { buyerPerS: PER_S, buyerPerMin: 0, ipPerS: 0 },
      trustedProxies: [],
      bans: { isBanned: () => false },
      clock,
      random,
      shared: { exchange, name: "attempts" },
    });
    exchange.start();
    return {
      edge,
      ask() {
        const session = { buyerId: "greedy" as BuyerId, device: "" };
        return throttle.admit({ remoteAddress: "203.0.113.7", header: () => null }, session, null) === null;
      },
      async close() {
        await exchange.stop();
        await edge.stop();
      },
    };
  }

  /** Every node is asked a hundred times a second; answers how often each said yes. */
  async function hammer(nodes: readonly ReturnType<typeof openNode>[]): Promise<readonly number[]> {
    const passed = nodes.map(() => 0);
    const endMs = clock.monotonicMs() + SECONDS * 1_000;
    while (clock.monotonicMs() < endMs) {
      nodes.forEach((node, index) => {
        if (node.ask()) passed[index] = (passed[index] ?? 0) + 1;
      });
      await new Promise<void>((resolve) => clock.setTimer(10, () => resolve()));
    }
    return passed;
  }
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

  test("together they let through about one limit; without their edge each lets through its own and no more", async () => {
    const server = await RedisServer.start(EVICTABLE);
    const nodes = [openNode(server.url), openNode(server.url), openNode(server.url)];
    await waitUntil("all nodes to reach the edge", () => nodes.every((node) => node.edge.isReachable()));
    const together = sum(await hammer(nodes));
    assert.ok(together >= ONE_LIMIT * 0.7 && together <= ONE_LIMIT * 1.75, `${together} of ${ONE_LIMIT}`);

    const killed = server.kill();
    const alone = await hammer(nodes);
    await killed;
    for (const count of alone) assert.ok(count <= ONE_LIMIT + 1, `${count} of ${ONE_LIMIT}`);
    assert.ok(sum(alone) > together, `${alone}: each has its own limit now`);

    await Promise.all(nodes.map((node) => node.close()));
    await server.stop();
  });
});
