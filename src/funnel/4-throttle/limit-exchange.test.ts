/**
 * Nodes that share an edge enforce one limit together; nodes whose edge is away enforce their own.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock, settle } from "../../../test/support/manual-clock.ts";
import { MemoryEdge } from "../../../test/support/memory-edge.ts";
import { evenRandom, RecordingLog } from "../../../test/support/recording-log.ts";
import type { BuyerId, SaleId } from "../../domain/ids.ts";
import { LIMIT_USES_MAX } from "../../ports/edge-state.ts";
import { GcraTable } from "./gcra-table.ts";
import { EXCHANGE_INTERVAL_MS, LimitExchange } from "./limit-exchange.ts";
import { Throttle, type ThrottleLimits } from "./throttle.ts";

const SALE = "demo" as SaleId;
const HASH_KEY = { word0: 7, word1: 8 };
const NO_LIMITS: ThrottleLimits = { buyerPerS: 0, buyerPerMin: 0, ipPerS: 0 };

/** Some nodes with a throttle each, on one edge. */
function deployment(nodeCount: number, limits: Partial<ThrottleLimits>) {
  const clock = new ManualClock();
  const edge = new MemoryEdge(clock);
  const log = new RecordingLog();
  const nodes = Array.from({ length: nodeCount }, () => {
    const exchange = new LimitExchange({ edge, hashKey: HASH_KEY, clock, random: evenRandom(), log });
    const throttle = new Throttle({
      limits: { ...NO_LIMITS, ...limits },
      trustedProxies: [],
      bans: { isBanned: () => false },
      clock,
      random: evenRandom(),
      shared: { exchange, name: "attempts" },
    });
    exchange.start();
    const ask = (buyerId: string, remoteAddress = "203.0.113.7") =>
      throttle.admit({ remoteAddress, header: () => null }, { buyerId: buyerId as BuyerId, device: "" }, SALE) === null;
    return { exchange, ask };
  });
  /** Asks every node each `everyMs`; answers how many passed. */
  const hammer = async (durationMs: number, everyMs: number, buyerOf: (count: number) => string = () => "greedy") => {
    let passed = 0;
    for (let atMs = 0; atMs < durationMs; atMs += everyMs) {
      for (const node of nodes) if (node.ask(buyerOf(atMs))) passed += 1;
      await clock.advance(everyMs);
    }
    return passed;
  };
  return { clock, edge, log, nodes, hammer };
}

describe("limit exchange", () => {
  test("one buyer who hammers three nodes for ten seconds gets about one limit, not three", async () => {
    const alone = await deployment(1, { buyerPerS: 5 }).hammer(10_000, 10);
    const together = await deployment(3, { buyerPerS: 5 }).hammer(10_000, 10);
    expect(alone).toBe(54);
    expect(together).toBeGreaterThanOrEqual(50);
    expect(together).toBeLessThanOrEqual(alone * 1.25);
  });

  test("a network's limit is one over all nodes as well, whoever asks from it", async () => {
    const { hammer } = deployment(4, { ipPerS: 50 });
    const passed = await hammer(5_000, 5, (atMs) => `buyer-${atMs}`);
    expect(passed).toBeGreaterThanOrEqual(240);
    expect(passed).toBeLessThanOrEqual(380);
  });

  test("the limit of a sale is one over all nodes, although every buyer of it is another", async () => {
    const { nodes, clock } = deployment(3, { salePerS: 1_000 });
    let passed = 0;
    for (let atMs = 0; atMs < 5_000; atMs += 10) {
      nodes.forEach((node, index) => {
        for (let count = 0; count < 10; count += 1) {
          if (node.ask(`buyer-${atMs}-${index}-${count}`, `10.${index}.${count}.1`)) passed += 1;
        }
      });
      await clock.advance(10);
    }
    // A second's worth at once, five seconds' worth after it, and what fits into an interval on three nodes.
    expect(passed).toBeGreaterThanOrEqual(5_500);
    expect(passed).toBeLessThanOrEqual(6_800);
  });

  test("what one node let through is known on another within two intervals", async () => {
    const { clock, nodes } = deployment(2, { buyerPerMin: 10 });
    const [first, second] = nodes;
    for (let count = 0; count < 10; count += 1) expect(first?.ask("ann")).toBe(true);
    await clock.advance(EXCHANGE_INTERVAL_MS.max);
    // The other node has never heard of her: it learns with her first request, and not before.
    expect(second?.ask("ann")).toBe(true);
    await clock.advance(EXCHANGE_INTERVAL_MS.max);
    expect(second?.ask("ann")).toBe(false);
    expect(second?.ask("bob")).toBe(true);
  });

  test("an edge that goes away leaves each node with its own limits, and one that is back is used again", async () => {
    const { clock, edge, nodes, hammer } = deployment(3, { buyerPerS: 5 });
    await hammer(1_000, 10);
    edge.isAway = true;
    await clock.advance(60_000);
    const passed = await hammer(10_000, 10);
    expect(passed).toBe(3 * 54);
    edge.isAway = false;
    await clock.advance(60_000);
    expect(await hammer(10_000, 10)).toBeLessThanOrEqual(68);
    await Promise.all(nodes.map((node) => node.exchange.stop()));
    expect(clock.timerCount).toBe(0);
  });

  test("an edge that forgets everything takes nothing back", async () => {
    const { clock, nodes, edge } = deployment(1, { buyerPerMin: 3 });
    const [node] = nodes;
    for (let count = 0; count < 3; count += 1) expect(node?.ask("ann")).toBe(true);
    edge.shareLimits = async ({ uses }) => uses.map(() => 0);
    await clock.advance(1_000);
    expect(node?.ask("ann")).toBe(false);
  });

  test("uses that were made while nobody could be told are not told later", async () => {
    const { clock, edge, nodes } = deployment(1, { buyerPerMin: 10 });
    edge.isAway = true;
    for (let count = 0; count < 5; count += 1) nodes[0]?.ask("ann");
    await clock.advance(1_000);
    edge.isAway = false;
    await clock.advance(1_000);
    expect(edge.callCount).toBe(0);
  });

  test("an exchange names at most a bounded number of keys, the biggest users first", async () => {
    const { clock, edge, nodes } = deployment(1, { ipPerS: 100 });
    const told: { key: string; requests: number }[][] = [];
    edge.shareLimits = async ({ uses }) => {
      told.push(uses.map(({ key, requests }) => ({ key, requests })));
      return uses.map(() => 0);
    };
    for (let count = 0; count < 3_000; count += 1) nodes[0]?.ask("x", `10.0.${count >> 8}.${count & 255}`);
    for (let count = 0; count < 7; count += 1) nodes[0]?.ask("x", "198.51.100.1");
    await clock.advance(EXCHANGE_INTERVAL_MS.max);
    expect(told[0]?.length).toBe(LIMIT_USES_MAX);
    expect(told[0]?.filter((use) => use.requests === 7)).toHaveLength(1);
    await clock.advance(10 * EXCHANGE_INTERVAL_MS.max);
    expect(told.flat()).toHaveLength(3_001);
    expect(new Set(told.flat().map((use) => use.key)).size).toBe(3_001);
  });

  test("what is told names nobody: neither buyers nor addresses leave the process", async () => {
    const { clock, edge, nodes } = deployment(1, { ipPerS: 100, buyerPerS: 5 });
    let told = "";
    edge.shareLimits = async (request) => {
      told += JSON.stringify(request);
      return request.uses.map(() => 0);
    };
    nodes[0]?.ask("ann-of-cleves", "198.51.100.77");
    await clock.advance(EXCHANGE_INTERVAL_MS.max);
    expect(told).toContain("attempts.buyer");
    expect(told).not.toContain("ann-of-cleves");
    expect(told).not.toContain("198.51.100.77");
  });

  test("an exchange that takes long delays the next one and no request", async () => {
    const { clock, edge, nodes } = deployment(1, { buyerPerS: 5 });
    let asked = 0;
    const answer = Promise.withResolvers<readonly number[]>();
    edge.shareLimits = async () => {
      asked += 1;
      return await answer.promise;
    };
    nodes[0]?.ask("ann");
    await clock.advance(5_000);
    expect(nodes[0]?.ask("ann")).toBe(true);
    expect(asked).toBe(1);
    answer.resolve([200]);
    await settle();
    await clock.advance(EXCHANGE_INTERVAL_MS.max);
    expect(asked).toBe(2);
  });

  test("two throttles cannot share a name by mistake", () => {
    const clock = new ManualClock();
    const parts = { edge: new MemoryEdge(clock), hashKey: HASH_KEY, clock, random: evenRandom() };
    const exchange = new LimitExchange({ ...parts, log: new RecordingLog() });
    const limits = [{ count: 1, periodMs: 1_000 }];
    const table = () => new GcraTable({ hash: exchange.createHash(), limits, entriesMax: 8, recordsUses: true });
    exchange.join("attempts.buyer", table());
    expect(() => exchange.join("attempts.buyer", table())).toThrow("attempts.buyer");
  });
});
