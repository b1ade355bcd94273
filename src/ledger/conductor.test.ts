/**
 * In which mode a sale is: when it enters redis mode, when it leaves, and what happens on the way.
 */
import { expect, test } from "bun:test";
import { attemptOf, type BucketWorldOptions, ITEM_ID, wordsOf } from "../../test/support/bucket-world.ts";
import { DWELL_MS, Stage } from "../../test/support/conductor-stage.ts";
import { ROLLED_BACK } from "../orders/stream-recovery.ts";
import type { Books } from "../ports/books.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import { AWAY_MS_MAX, FLIPS_MAX } from "./conductor.ts";
import { REMOVE_AFTER_MS } from "./mode-changes.ts";

async function inRedis(options: BucketWorldOptions = {}): Promise<Stage> {
  const stage = new Stage(options);
  await stage.pass(1_000);
  expect(stage.state.mode).toBe("redis");
  return stage;
}

test("a new sale is in redis mode within a second, and its gate opens only when the bucket has its units", async () => {
  const stage = new Stage({ stock: 7 });
  stage.world.link = (call, request) => {
    if (call === "setGate" && (request as { isOpen: boolean }).isOpen) expect(stage.audit().available).toBe(7);
    return "answer";
  };
  await stage.pass(1_000);
  expect([stage.state.mode, stage.state.epoch, stage.audit().isOpen]).toEqual(["redis", 2, true]);
  expect(stage.stock.granted).toBe(7);
  expect(await stage.reserve("x")).toEqual(["queued"]);
});

test("whoever does not lead does nothing", async () => {
  const stage = new Stage();
  stage.isLeader = false;
  await stage.pass(5_000);
  expect(stage.state).toMatchObject({ mode: "postgres", epoch: 1 });
});

test("a Redis that may forget is not used, and the sale says why", async () => {
  const stage = new Stage();
  stage.world.redis.unsafe = "appendonly is no";
  await stage.pass(3_000);
  expect(stage.state).toMatchObject({ mode: "postgres", epoch: 1 });
  expect(stage.state.reason).toContain("appendonly is no");
});

test.each([
  ["unsafe", "appendfsync is no"],
  ["failing", "its memory is full"],
] as const)("a sale leaves a Redis that has become %s and stays away from it", async (what, why) => {
  const stage = await inRedis();
  stage.world.redis[what] = why;
  await stage.pass(AWAY_MS_MAX - 500);
  expect(stage.state.mode).toBe("redis");
  await stage.pass(1_500);
  expect(stage.state).toMatchObject({ mode: "postgres", epoch: 3 });
  expect(stage.state.reason).toContain(why);
  await stage.pass(120_000);
  expect(stage.state).toMatchObject({ mode: "postgres", epoch: 3 });
  stage.world.redis[what] = null;
  await stage.pass(120_000);
  expect(stage.state.mode).toBe("redis");
});

test("while an API node has no Redis or does not reach it, a sale does not enter redis mode", async () => {
  for (const answer of [null, false]) {
    const stage = new Stage();
    stage.nodes.set("b", answer);
    await stage.pass(3_000);
    expect(stage.state).toMatchObject({ mode: "postgres", epoch: 1 });
    expect(stage.state.reason).toContain("b");
    stage.nodes.set("b", true);
    await stage.pass(1_000);
    expect(stage.state.mode).toBe("redis");
  }
});

test("a sale leaves redis mode when a majority misses Redis for two seconds, not when one node of three does", async () => {
  const stage = await inRedis();
  for (const node of ["b", "c"]) stage.nodes.set(node, true);
  stage.nodes.set("a", false);
  await stage.pass(10_000);
  expect(stage.state.mode).toBe("redis");
  stage.nodes.set("b", false);
  await stage.pass(AWAY_MS_MAX - 250);
  expect(stage.state.mode).toBe("redis");
  await stage.pass(1_500);
  expect(stage.state).toMatchObject({ mode: "postgres", epoch: 3 });
  expect(stage.state.reason).toContain("out of reach");
  expect([stage.stock.free, stage.stock.granted]).toEqual([10, 0]);
  expect(await stage.reserve("x")).toEqual(["held"]);
});

test("a Redis that answers nobody any more costs a few seconds, and postgres mode sells on", async () => {
  const stage = await inRedis();
  stage.world.link = () => "lose-call";
  stage.nodes.set("a", false);
  await stage.pass(4_000);
  expect(stage.state.mode).toBe("postgres");
});

test("a Redis that restarted is left at once, and what it accepted before becomes orders", async () => {
  const stage = await inRedis();
  await stage.reserve("x", "y");
  stage.world.redis.runId = "run-2";
  await stage.pass(1_500, { isWorking: false });
  expect(stage.state.mode).toBe("postgres");
  expect(stage.state.reason).toContain("restarted");
  expect([stage.stock.held, stage.stock.free]).toEqual([2, 8]);
});

test("a bucket that is gone, or that forgot orders, is noticed and left", async () => {
  const gone = await inRedis();
  await gone.world.redis.remove({ itemId: ITEM_ID, bucket: 0, epoch: gone.state.epoch });
  await gone.pass(1_500);
  expect(gone.state.mode).toBe("postgres");

  const forgot = await inRedis();
  await forgot.pass(DWELL_MS);
  const past = forgot.world.redis.snapshot();
  await forgot.reserve("x");
  await forgot.pass(1_000);
  forgot.world.redis.restore(past);
  await forgot.pass(1_500);
  expect(forgot.state.mode).toBe("postgres");
  expect(forgot.state.reason).toContain("redis_rolled_back");
  // Redis looks well all the time; the sale waits all the same.
  await forgot.pass(DWELL_MS - 5_000);
  expect(forgot.state.mode).toBe("postgres");
  await forgot.pass(6_000);
  expect(forgot.state.mode).toBe("redis");
});

test("a sale returns after the dwell time, not before, and at most three times", async () => {
  const stage = await inRedis();
  for (let flip = 1; flip <= FLIPS_MAX; flip += 1) {
    stage.world.redis.runId = `server-${flip}`;
    await stage.pass(2_000);
    expect(stage.state.mode).toBe("postgres");
    await stage.pass(DWELL_MS - 2_500);
    expect(stage.state.mode).toBe("postgres");
    await stage.pass(5_000);
    expect(stage.state).toMatchObject({ mode: "redis", flips: flip });
  }
  stage.world.redis.runId = "run-last";
  await stage.pass(DWELL_MS * 4);
  expect(stage.state.mode).toBe("postgres");
});

test("after a return repeats are known, ended attempts stay ended, and limits count what is held", async () => {
  const stage = await inRedis({ perBuyerMax: 1 });
  await stage.reserve("keeps", "ends");
  await stage.pass(500);
  const [ends] = ["ends-k" as never];
  await stage.world.books.orders.cancelHold({ rid: ends, buyerId: "ends" as never });
  stage.world.redis.runId = "run-2";
  await stage.pass(DWELL_MS + 5_000);
  expect(stage.state.mode).toBe("redis");
  expect(await stage.reserve("keeps", "ends")).toEqual(["again held", "ended"]);
  const second = [attemptOf("keeps", { key: "2" }), attemptOf("ends", { key: "2" })];
  expect(wordsOf(await stage.world.finish(stage.world.reserve(second)))).toEqual(["limit_reached", "queued"]);
});

test("a hold that ends while the buckets are filled counts once: neither too strict nor too lax afterwards", async () => {
  for (const moment of ["load", "prepare", "setGate"] as const) {
    const stage = await inRedis({ perBuyerMax: 2 });
    await stage.world.finish(stage.world.reserve([attemptOf("x"), attemptOf("x", { key: "2" })]));
    await stage.pass(500);
    stage.world.redis.runId = "run-2";
    await stage.pass(2_000);
    let isEnded = false;
    stage.world.delay = async (call) => {
      if (call !== moment || isEnded) return;
      isEnded = true;
      await stage.world.books.orders.cancelHold({ rid: "x-k" as never, buyerId: "x" as never });
    };
    await stage.pass(DWELL_MS + 3_000);
    expect([isEnded, stage.state.mode]).toEqual([true, "redis"]);
    const more = [attemptOf("x", { key: "3" }), attemptOf("x", { key: "4" })];
    expect(wordsOf(await stage.world.finish(stage.world.reserve(more)))).toEqual(["queued", "limit_reached"]);
  }
});

test("when a sale is over everything accepted becomes an order, its units come home, and the buckets are deleted later", async () => {
  const stage = await inRedis();
  await stage.reserve("x", "y");
  stage.world.books.patchSale(stage.world.sale.id, { phase: "closed", closedAt: stage.world.clock.nowMs() });
  await stage.pass(2_000, { isWorking: false });
  expect(stage.state.mode).toBe("postgres");
  expect([stage.stock.held, stage.stock.free, stage.stock.granted]).toEqual([2, 8, 0]);
  expect(stage.audit().isOpen).toBe(false);
  await stage.pass(REMOVE_AFTER_MS + 1_000);
  expect(stage.world.redis.data.buckets.size).toBe(0);
  expect(stage.state).toMatchObject({ mode: "postgres", flips: 0 });
});

test("a sale that is over waits for Postgres rather than lose its last acceptances", async () => {
  const stage = await inRedis();
  await stage.reserve("x");
  stage.world.books.patchSale(stage.world.sale.id, { phase: "closed", closedAt: stage.world.clock.nowMs() });
  const { drain } = stage.worker;
  stage.worker.drain = () => Promise.resolve();
  await stage.pass(3_000, { isWorking: false });
  expect(stage.state.mode).toBe("draining");
  stage.worker.drain = drain.bind(stage.worker);
  await stage.pass(1_000, { isWorking: false });
  expect([stage.state.mode, stage.stock.held]).toEqual(["postgres", 1]);
});

test("a Postgres that lost commits stops the sale until somebody recovers it, and nobody sells meanwhile", async () => {
  const stage = await inRedis();
  await stage.reserve("x");
  const past = stage.world.books.snapshot();
  await stage.pass(3_000);
  expect(stage.audit().committedSeq).toBe(1);
  stage.world.books.restore(past);
  stage.conductor = stage.newConductor();
  await stage.pass(1_500, { isWorking: false });
  expect(stage.state.mode).toBe("closed");
  expect(stage.state.reason).toStartWith(ROLLED_BACK);
  expect(stage.audit().isOpen).toBe(false);
  await stage.pass(DWELL_MS * 2);
  expect(stage.state.mode).toBe("closed");
  expect(stage.world.log.count("error")).toBeGreaterThan(1);
});

test("a Postgres restored from before the sale entered redis mode does not sell the same units again", async () => {
  const stage = new Stage();
  const past = stage.world.books.snapshot();
  await stage.pass(1_000);
  await stage.reserve("x");
  stage.world.books.restore(past);
  stage.conductor = stage.newConductor();
  await stage.pass(1_500);
  expect(stage.state.mode).toBe("closed");
  expect(stage.state.reason).toStartWith(ROLLED_BACK);
});

test("a Postgres restored from the moment before the gates opened does not make the buckets anew", async () => {
  const stage = new Stage();
  const { books } = stage.world;
  let past = books.snapshot();
  const changeMode = books.changeMode.bind(books);
  books.changeMode = async (change) => {
    if (change.to === "redis") past = books.snapshot();
    return await changeMode(change);
  };
  await stage.pass(1_000);
  await stage.reserve("x");
  books.restore(past);
  expect(stage.state.mode).toBe("warming");
  stage.conductor = stage.newConductor();
  await stage.pass(1_500);
  expect(stage.state.mode).toBe("closed");
  expect(stage.state.reason).toStartWith(ROLLED_BACK);
  expect(stage.audit().seq).toBe(1);
});

test("committed entries are marked within seconds and deleted after a quarter of an hour, others never", async () => {
  const stage = await inRedis();
  await stage.reserve("x");
  await stage.pass(3_000);
  expect(stage.audit().committedSeq).toBe(1);
  const entries = () => [...stage.world.redis.data.streams.values()].reduce((sum, s) => sum + s.entries.length, 0);
  await stage.pass(14 * 60_000);
  expect(entries()).toBe(1);
  await stage.pass(2 * 60_000);
  expect(entries()).toBe(0);
});

/** A process that dies at its nth call: neither that call nor any later one is made or answered. */
function dyingAt(stage: Stage, callsMax: number) {
  let calls = 0;
  const log: string[] = [];
  const guard = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(inner, name) {
        const method: unknown = Reflect.get(inner, name, inner);
        if (typeof method !== "function") return method;
        return (...values: unknown[]) => {
          calls += 1;
          log.push(String(name));
          return calls > callsMax ? new Promise(() => undefined) : Reflect.apply(method, inner, values);
        };
      },
    });
  const conductor = stage.newConductor({
    store: guard<BucketStore>(stage.world.store),
    books: guard<Books>(stage.world.books),
  });
  return { conductor, log, isDead: () => calls > callsMax };
}

test("a conductor that dies at any step of entering is followed by one that completes it", async () => {
  for (let calls = 0; ; calls += 1) {
    const stage = new Stage({ stock: 5 });
    await stage.report();
    await stage.world.sales.refresh();
    const first = dyingAt(stage, calls);
    void first.conductor.runOnce();
    await stage.world.clock.advance(1_000);
    await stage.pass(2_000);
    expect([calls, stage.state.mode, stage.audit().isOpen]).toEqual([calls, "redis", true]);
    expect([stage.audit().available, stage.stock.granted, stage.stock.free]).toEqual([5, 5, 0]);
    expect(await stage.reserve("x")).toEqual(["queued"]);
    if (!first.isDead()) {
      expect(calls).toBeGreaterThan(8);
      return;
    }
  }
});

test("a conductor that dies at any step of leaving is followed by one that completes it, and no order is lost", async () => {
  for (let calls = 0; ; calls += 1) {
    const stage = await inRedis({ stock: 5 });
    await stage.reserve("x", "y");
    stage.world.redis.runId = "run-2";
    stage.world.clock.jump(1_000);
    await stage.report();
    const first = dyingAt(stage, calls);
    void first.conductor.runOnce();
    await stage.world.clock.advance(100);
    stage.conductor = stage.newConductor();
    await stage.pass(2_500, { isWorking: false });
    expect([calls, stage.state.mode]).toEqual([calls, "postgres"]);
    expect([stage.stock.held, stage.stock.free, stage.stock.granted]).toEqual([2, 3, 0]);
    if (!first.isDead()) {
      expect(calls).toBeGreaterThan(6);
      return;
    }
  }
});
