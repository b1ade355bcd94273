import { afterEach, beforeEach, expect, test } from "bun:test";
import { attemptOf, BucketWorld, ITEM_ID } from "../../test/support/bucket-world.ts";
import { Fault } from "../domain/faults.ts";
import { bucketOf } from "../ledger/bucket-of.ts";
import type { Books } from "../ports/books.ts";
import type { StreamEntry } from "../ports/bucket-store.ts";
import type { CommitHint } from "../ports/commit-feed.ts";
import { CommitWorker } from "./commit-worker.ts";
import { RESUBMISSION_MS_MAX } from "./lost-acceptances.ts";

const AWAY = new Fault("DATABASE_UNAVAILABLE", { internal: "test" });

/** A worker over a world whose books can be made to fail, call by call. */
class Bench {
  readonly world: BucketWorld;
  readonly hints: CommitHint[] = [];
  /** Looked at before each call of the books; what it answers is thrown instead of the call. */
  before: (call: keyof Books, request: unknown) => Fault | null = () => null;
  /** How long a call of the books takes. */
  takes: (call: keyof Books) => number = () => 0;
  /** Looked at after each call: the call was made, its answer is lost. */
  after: (call: keyof Books) => Fault | null = () => null;
  readonly booksCalls: (keyof Books)[] = [];
  readonly books: Books;
  readonly #workers: CommitWorker[] = [];

  constructor(world: BucketWorld) {
    this.world = world;
    world.feed.subscribe((hint) => this.hints.push(hint));
    this.books = new Proxy(world.books as Books, {
      get: (target, name: keyof Books) => {
        const method: unknown = Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        return async (...values: unknown[]) => {
          this.booksCalls.push(name);
          const fault = this.before(name, values[0]);
          if (fault !== null) throw fault;
          const delayMs = this.takes(name);
          if (delayMs > 0) await new Promise<void>((resolve) => world.clock.setTimer(delayMs, resolve));
          const answer: unknown = await Reflect.apply(method, target, values);
          const lost = this.after(name);
          if (lost !== null) throw lost;
          return answer;
        };
      },
    });
  }

  worker(consumerId = "w1"): CommitWorker {
    const { store, feed, sales, clock, random, log } = this.world;
    const worker = new CommitWorker({ store, books: this.books, commits: feed, sales, consumerId, clock, random, log });
    this.#workers.push(worker);
    return worker;
  }

  /** Accepts one unit for each buyer, each in a batch and so in an entry of its own. */
  async accept(...buyers: readonly string[]): Promise<void> {
    const { redis, sale } = this.world;
    const address = { itemId: ITEM_ID, bucket: 0, epoch: sale.epoch, leaseId: null };
    for (const buyer of buyers) await redis.reserve({ ...address, attempts: [attemptOf(buyer)] });
  }

  status(buyer: string): string | undefined {
    return this.world.books.tables.data.orders.get(`${buyer}-k`)?.status;
  }

  get pending(): number {
    let pending = 0;
    for (const stream of this.world.redis.data.streams.values()) pending += stream.pending.size;
    return pending;
  }

  get entries(): readonly StreamEntry[] {
    return [...this.world.redis.data.streams.values()].flatMap((stream) => stream.entries);
  }

  async end(): Promise<void> {
    this.before = () => null;
    this.after = () => null;
    await this.world.finish(Promise.all(this.#workers.map((worker) => worker.stop())), 100);
  }
}

let bench: Bench;
beforeEach(async () => {
  bench = new Bench(await BucketWorld.inRedis({ stock: 20 }));
});
afterEach(() => bench.end());

test("what buckets accepted becomes orders, is hinted with its time, and is acknowledged after the commit only", async () => {
  const { world } = bench;
  await bench.accept("a", "b");
  bench.before = (call) => {
    if (call === "commitBatch") expect([bench.pending, bench.hints.length]).toEqual([2, 0]);
    return null;
  };
  expect(await bench.worker().runOnce()).toBe(2);
  expect([bench.status("a"), bench.status("b"), bench.pending]).toEqual(["held", "held", 0]);
  const holdUntil = world.clock.nowMs() + world.sale.holdMs;
  const { epoch } = world.sale;
  expect(bench.hints).toEqual([
    { itemId: ITEM_ID, bucket: 0, epoch, firstSeq: 1, lastSeq: 1, holdUntil },
    { itemId: ITEM_ID, bucket: 0, epoch, firstSeq: 2, lastSeq: 2, holdUntil },
  ]);
});

test("an entry whose commit had no answer is committed again, once: the same rid moves no unit twice", async () => {
  await bench.accept("a");
  const worker = bench.worker();
  let lost = 0;
  bench.after = (call) => (call === "commitBatch" && lost++ < 2 ? AWAY : null);
  await bench.world.finish(worker.runOnce());
  expect(bench.booksCalls.filter((call) => call === "commitBatch")).toHaveLength(3);
  const { granted, held } = bench.world.books.tables.stockRow(ITEM_ID);
  expect([granted, held, bench.pending]).toEqual([19, 1, 0]);
  expect(bench.hints.at(-1)?.holdUntil).toBe(null);
});

test("while Postgres is away nothing more is read, and everything is committed when it is back", async () => {
  const worker = bench.worker();
  bench.before = (call) => (call === "commitBatch" ? AWAY : null);
  worker.start();
  await bench.accept("a");
  await bench.world.clock.advance(1_000);
  await bench.accept("b", "c", "d");
  await bench.world.clock.advance(20_000);
  expect([bench.pending, worker.backlog()]).toEqual([1, 1]);
  bench.before = () => null;
  await bench.world.clock.advance(4_000);
  expect(["a", "b", "c", "d"].map((buyer) => bench.status(buyer))).toEqual(["held", "held", "held", "held"]);
  expect([bench.pending, worker.backlog()]).toEqual([0, 0]);
});

test("a started worker commits within a tenth of a second, however long it was idle", async () => {
  const worker = bench.worker();
  worker.start();
  await bench.world.clock.advance(60_000);
  for (let round = 0; round < 8; round += 1) {
    await bench.accept(`a${round}`);
    await bench.world.clock.advance(130);
    expect(bench.status(`a${round}`)).toBe("held");
    await bench.world.clock.advance(7_000);
  }
});

test("a drain outlasts a Postgres that is away for longer than a drain may take of its time", async () => {
  const { world } = bench;
  await bench.accept("a", "b");
  const worker = bench.worker();
  bench.before = (call) => (call === "commitBatch" ? AWAY : null);
  const drained = worker.drain(world.sale);
  await world.clock.advance(7_000);
  bench.before = () => null;
  await world.finish(drained);
  expect(["a", "b"].map((buyer) => bench.status(buyer))).toEqual(["held", "held"]);
});

test("quiet buckets are asked together, and each that is not quiet any more is committed within a tenth of a second", async () => {
  const world = await BucketWorld.inRedis({ stock: 320, buckets: 32 });
  const crowd = new Bench(world);
  const timers = world.clock.timerCount;
  crowd.worker().start();
  await world.clock.advance(5_000);
  world.calls.length = 0;
  await world.clock.advance(10_000);
  const count = (call: string): number => world.calls.filter((one) => one === call).length;
  expect(count("readNewOfEach")).toBeGreaterThan(80);
  expect(count("readNewOfEach")).toBeLessThan(130);
  // Each lane looks after itself once a second; alone it would ask ten times.
  expect(count("readNew")).toBeLessThan(32 * 20);
  const buyers = ["a", "b", "c", "d", "e"];
  for (const buyer of buyers) {
    const bucket = bucketOf(buyer, 32);
    const address = { itemId: ITEM_ID, bucket, epoch: world.sale.epoch, leaseId: null };
    await world.redis.reserve({ ...address, attempts: [attemptOf(buyer)] });
  }
  await world.clock.advance(130);
  expect(buyers.map((buyer) => crowd.status(buyer))).toEqual(buyers.map(() => "held"));
  await crowd.end();
  expect(world.clock.timerCount).toBe(timers);
});

test("entries that a dead worker had read are claimed by another after five seconds, not before", async () => {
  await bench.accept("a");
  const { redis, sale, clock } = bench.world;
  await redis.readNew({ itemId: ITEM_ID, bucket: 0, epoch: sale.epoch, consumerId: "dead", entriesMax: 9 });
  const worker = bench.worker();
  worker.start();
  await clock.advance(4_500);
  expect(bench.status("a")).toBe(undefined);
  await clock.advance(3_000);
  expect([bench.status("a"), bench.pending]).toEqual(["held", 0]);
});

test("so they are when the living one has its hands full all the time", async () => {
  const crowded = new Bench(await BucketWorld.inRedis({ stock: 40_000 }));
  const { redis, sale, clock, books } = crowded.world;
  const address = { itemId: ITEM_ID, bucket: 0, epoch: sale.epoch };
  await crowded.accept("a");
  await redis.readNew({ ...address, consumerId: "dead", entriesMax: 9 });
  for (let entry = 0; entry < 300; entry += 1) {
    const attempts = Array.from({ length: 100 }, (_, index) => attemptOf(`b${entry}-${index}`));
    await redis.reserve({ ...address, leaseId: null, attempts });
  }
  crowded.takes = (call) => (call === "commitBatch" ? 400 : 0);
  crowded.worker().start();
  await clock.advance(8_000);
  expect(books.tables.data.orders.size).toBeLessThan(30_001);
  expect(crowded.status("a")).toBe("held");
  crowded.takes = () => 0;
  await clock.advance(8_000);
  expect(books.tables.data.orders.size).toBe(30_001);
  await crowded.end();
});

test("one row over the limit is void and gives its unit back; the rows around it become orders", async () => {
  const { world } = bench;
  await bench.accept("a", "b", "c");
  world.books.tables.addHold(ITEM_ID, "b", 2);
  await bench.worker().runOnce();
  expect(["a", "b", "c"].map((buyer) => bench.status(buyer))).toEqual(["held", "void", "held"]);
  const { free, granted, held } = world.books.tables.stockRow(ITEM_ID);
  expect([free, granted, held, bench.pending]).toEqual([1, 17, 2, 0]);
  expect(world.books.tables.data.orders.get("b-k")?.reason).toBe("limit");
  expect(bench.hints.map((hint) => hint.holdUntil === null)).toEqual([false, true, false]);
});

test("an entry of which one row is void is hinted without a time, so that whoever waits asks Postgres", async () => {
  const { world } = bench;
  const address = { itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch, leaseId: null };
  await world.redis.reserve({ ...address, attempts: [attemptOf("a"), attemptOf("b")] });
  world.books.tables.addHold(ITEM_ID, "b", 2);
  await bench.worker().runOnce();
  expect([bench.status("a"), bench.status("b")]).toEqual(["held", "void"]);
  expect(bench.hints).toMatchObject([{ firstSeq: 1, lastSeq: 2, holdUntil: null }]);
});

test("a row that the database refuses for no known reason is kept for people and void as poison", async () => {
  const { world } = bench;
  await bench.accept("a", "b", "c");
  bench.before = (call, request) => {
    const rows = (request as { rows?: readonly { rid: string }[] }).rows ?? [];
    const isPoison = call === "commitBatch" && rows.some((row) => row.rid === "b-k");
    return isPoison ? new Fault("DATABASE_REFUSED", { internal: "invalid byte sequence" }) : null;
  };
  await bench.worker().runOnce();
  expect(["a", "b", "c"].map((buyer) => bench.status(buyer))).toEqual(["held", "void", "held"]);
  expect(world.books.tables.data.deadLetters).toHaveLength(1);
  expect([world.books.tables.stockRow(ITEM_ID).free, bench.pending]).toEqual([1, 0]);
});

test("a unit that Postgres never granted is void without a movement, and stops the sale's redis mode", async () => {
  const { world } = bench;
  const address = { itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
  await world.redis.credit({ ...address, creditId: "forged", units: 5, notes: [] });
  const buyers = Array.from({ length: 21 }, (_, index) => `b${index}`);
  await bench.accept(...buyers);
  const { log } = world;
  await bench.worker().runOnce();
  const stock = world.books.tables.stockRow(ITEM_ID);
  expect([stock.free, stock.granted, stock.held, bench.pending]).toEqual([0, 0, 20, 0]);
  expect(buyers.filter((buyer) => bench.status(buyer) === "void")).toHaveLength(1);
  expect(world.sale.mode).toBe("draining");
  expect(log.count("error")).toBeGreaterThan(0);
});

test("a number that belongs to another reservation stops the sale's redis mode and is not acknowledged yet", async () => {
  const { world } = bench;
  await bench.accept("a");
  const past = world.redis.snapshot();
  await bench.accept("b");
  const worker = bench.worker();
  await worker.runOnce();
  world.redis.restore(past);
  await bench.accept("c");
  await worker.runOnce();
  expect([bench.status("b"), bench.status("c"), world.sale.mode]).toEqual(["held", undefined, "draining"]);
  expect(bench.pending).toBeGreaterThan(0);
});

test("acceptances of a fenced epoch are recorded as lost after the nodes had their chance, then acknowledged", async () => {
  const { world } = bench;
  await bench.accept("a", "b");
  await world.leaveRedis({ isDrained: false });
  const worker = bench.worker();
  worker.start();
  await world.clock.advance(RESUBMISSION_MS_MAX - 100);
  expect([bench.status("a"), bench.pending]).toEqual([undefined, 2]);
  // Its node sends it again in the new epoch: it is no loss then.
  const attempts = [attemptOf("b")];
  await world.books.ledger.reserve({ saleId: world.sale.id, itemId: ITEM_ID, epoch: world.sale.epoch, attempts });
  await world.clock.advance(5_000);
  expect([bench.status("a"), bench.status("b"), bench.pending]).toEqual(["lost", "held", 0]);
  const { free, granted, held } = world.books.tables.stockRow(ITEM_ID);
  expect([free, granted, held]).toEqual([19, 0, 1]);
});

test("a commit that turns out to be fenced moves nothing and makes the worker read the sales again", async () => {
  const { world } = bench;
  await bench.accept("a");
  await world.leaveRedis({ isDrained: false, isTold: false });
  const worker = bench.worker();
  worker.start();
  await world.clock.advance(200);
  expect(world.sales.findSale(world.sale.id)?.epoch).toBe(world.sale.epoch);
  await world.clock.advance(RESUBMISSION_MS_MAX + 3_000);
  expect([bench.status("a"), bench.pending]).toEqual(["lost", 0]);
});

test("nothing is recorded as lost when it is Postgres that went back to an older epoch", async () => {
  const { world } = bench;
  await bench.accept("a");
  world.books.restore(
    (() => {
      const past = world.books.snapshot();
      const row = past.sales.get(world.sale.id);
      if (row !== undefined)
        past.sales.set(world.sale.id, { ...row, sale: { ...row.sale, epoch: 1, mode: "postgres" } });
      return past;
    })(),
  );
  const worker = bench.worker();
  worker.start();
  await world.clock.advance(RESUBMISSION_MS_MAX * 3);
  expect([bench.status("a"), bench.pending]).toEqual([undefined, 1]);
});

test("a drain commits what is unread, what is pending with others, and ends in time when Postgres does not answer", async () => {
  const { world } = bench;
  await bench.accept("a");
  const address = { itemId: ITEM_ID, bucket: 0, epoch: world.sale.epoch };
  await world.redis.readNew({ ...address, consumerId: "dead", entriesMax: 9 });
  await bench.accept("b");
  const worker = bench.worker();
  await worker.drain(world.sale);
  expect([bench.status("a"), bench.status("b"), bench.pending]).toEqual(["held", "held", 0]);
  await bench.accept("c");
  bench.before = (call) => (call === "commitBatch" ? AWAY : null);
  const startedAtMs = world.clock.monotonicMs();
  await expect(world.finish(worker.drain(world.sale), 50)).rejects.toBe(AWAY);
  expect(world.clock.monotonicMs() - startedAtMs).toBeLessThan(10_500);
});

test("rows that cannot be read are kept for people and found by their number", async () => {
  const { world } = bench;
  await bench.accept("a");
  const [entry] = bench.entries;
  if (entry === undefined) throw new Error("an entry is expected");
  for (const stream of world.redis.data.streams.values()) {
    stream.entries = [{ ...entry, rows: [], unreadable: [{ seq: 1, text: "1 one a" }] }];
  }
  await bench.worker().runOnce();
  expect([bench.status("a"), bench.pending, world.books.tables.data.deadLetters.length]).toEqual(["held", 0, 1]);
});

test("many commits hint the pages at most ten times a second", async () => {
  const worker = bench.worker();
  worker.start();
  for (let index = 0; index < 18; index += 1) {
    await bench.accept(`b${index}`);
    await bench.world.clock.advance(50);
  }
  const hints = bench.booksCalls.filter((call) => call === "hintEvents").length;
  expect(hints).toBeGreaterThan(3);
  expect(hints).toBeLessThan(12);
});
