/**
 * The ladder's fourth group: acceptances into orders, beside the same rows inserted by `unnest` with nothing asked.
 *
 * The raw loop leaves what a commit must leave (orders, what each buyer has, the outbox, the stock row) in tables of the
 * same form, durable, as many batches at once. "Books" is the worker's transaction alone; "worker" is the whole worker, from a
 * stream in a durable Redis to its acknowledgement. The client of all three is this process, and counts.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import { CommitWorker } from "../../src/orders/commit-worker.ts";
import type { CommitBatch } from "../../src/ports/books.ts";
import type { CommitFeed } from "../../src/ports/commit-feed.ts";
import type { SaleDirectory } from "../../src/ports/sale-directory.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { fillBucket, keepInFlight, makeAttempts, NO_LOG, openStore } from "./bucket-load.ts";
import { batchesOf, CommitScene, HOLD_MS, type OpenedSale, ROWS_PER_BATCH } from "./commit-scene.ts";
import { type Figures, type LadderRow, meanFigures } from "./ladder-row.ts";
import type { LadderOptions } from "./ladder-run.ts";
import { cpuMsOf } from "./processor-time.ts";

const FLIGHTS = 2;
const RESERVE_BATCH = 128;
/** So few that the last is committed before its promise counts as late (five seconds). */
const ORDERS_PER_COUNT = 0.4;
const WARM_UP_SHARE = 0.2;

const RAW_TABLES = [
  "CREATE TABLE raw_orders (LIKE orders INCLUDING ALL)",
  "CREATE TABLE raw_hold (LIKE buyer_hold INCLUDING ALL)",
  "CREATE TABLE raw_outbox (LIKE outbox INCLUDING ALL)",
  "CREATE TABLE raw_stock (item_id integer PRIMARY KEY, held integer NOT NULL)",
];
const RAW_INSERT = {
  name: "raw_insert",
  text: `WITH ordered AS (
      INSERT INTO raw_orders (rid, item_id, sale_id, buyer_id, quantity, epoch, bucket, seq, status, hold_until, amount,
                              created_at, updated_at)
        SELECT r.rid, $1, $2, r.buyer, r.quantity, $3, 0, r.seq, 'held', r.promised, 4900, now_ms(), now_ms()
          FROM unnest($4::text[], $5::text[], $6::integer[], $7::bigint[], $8::bigint[])
               r (rid, buyer, quantity, seq, promised)
    ), had AS (
      INSERT INTO raw_hold (item_id, buyer_id, quantity, per_buyer_max)
        SELECT $1, r.buyer, r.quantity, 2 FROM unnest($5::text[], $6::integer[]) r (buyer, quantity)
    ), told AS (
      INSERT INTO raw_outbox (kind, rids, buyer_ids) VALUES ('held', $4::text[], $5::text[])
    ) UPDATE raw_stock SET held = held + cardinality($4::text[]) WHERE item_id = $1`,
};

/** The raw loop, the books and the worker; the raw loop is run before and after each of them. */
export async function measureCommit(options: LadderOptions): Promise<readonly LadderRow[]> {
  return CommitScene.during(FLIGHTS + 1, async (scene) => {
    const bench = new CommitLadder(
      scene,
      Math.ceil((options.countMax * ORDERS_PER_COUNT) / ROWS_PER_BATCH) * ROWS_PER_BATCH,
    );
    await bench.prepare();
    const rows: LadderRow[] = [];
    const add = (row: Omit<LadderRow, "group" | "problem">): void => {
      const whole = { ...row, group: "commit", problem: null } as const;
      options.tell(whole);
      rows.push(whole);
    };
    const raws = [await bench.raw()];
    const books = await bench.throughBooks();
    raws.push(await bench.raw());
    const worker = await bench.throughWorker();
    raws.push(await bench.raw());
    const name = "raw unnest loop";
    add({ id: "postgres/commit/raw", name, figures: meanFigures(raws), limit: null });
    const limitOf = (at: number) => ({ name, figures: meanFigures(raws.slice(at, at + 2)) });
    add({ id: "postgres/commit/books", name: "commit, the transaction alone", figures: books, limit: limitOf(0) });
    add({
      id: "postgres/commit/worker",
      name: "commit worker, from stream to order",
      figures: worker,
      limit: limitOf(1),
    });
    return rows;
  });
}

class CommitLadder {
  readonly #scene: CommitScene;
  readonly #orders: number;

  constructor(scene: CommitScene, orders: number) {
    this.#scene = scene;
    this.#orders = orders;
  }

  async prepare(): Promise<void> {
    for (const text of RAW_TABLES) await this.#scene.database.query({ text });
  }

  async raw(): Promise<Figures> {
    const { database } = this.#scene;
    const { address } = await this.#scene.openSale(this.#orders);
    await database.query({ text: "INSERT INTO raw_stock VALUES ($1, 0)" }, [address.itemId]);
    return this.#inBatches(address, async ({ saleId, itemId, epoch, rows }) => {
      await database.query(RAW_INSERT, [
        itemId,
        saleId,
        epoch,
        rows.map((row) => row.rid),
        rows.map((row) => row.buyerId),
        rows.map((row) => row.quantity),
        rows.map((row) => row.seq),
        rows.map((row) => row.promisedUntil),
      ]);
    });
  }

  async throughBooks(): Promise<Figures> {
    const { address } = await this.#scene.openSale(this.#orders);
    return this.#inBatches(address, async (batch) => {
      const outcome = await this.#scene.books.commitBatch(batch);
      if (outcome.kind !== "done") throw new Error("the sale was fenced in the middle of the measurement");
    });
  }

  /** What lies in the stream is accepted beforehand; a first part of it is committed before anything counts. */
  async throughWorker(): Promise<Figures> {
    const redis = await RedisServer.start();
    const store = await openStore(redis.url);
    try {
      const warmUp = await this.#scene.openSale(this.#orders);
      await this.#accept(store, warmUp, Math.ceil(this.#orders * WARM_UP_SHARE));
      await this.#commit(store, warmUp, Math.ceil(this.#orders * WARM_UP_SHARE));
      const measured = await this.#scene.openSale(this.#orders);
      await this.#accept(store, measured, this.#orders);
      return await this.#observe(this.#orders, redis.pid ?? 0, () => this.#commit(store, measured, this.#orders));
    } finally {
      await store.close();
      await redis.stop();
    }
  }

  async #accept(
    store: Awaited<ReturnType<typeof openStore>>,
    { sale, address }: OpenedSale,
    count: number,
  ): Promise<void> {
    const { itemId, bucket, epoch } = address;
    const at = { itemId, bucket, epoch };
    await fillBucket(store, { at, saleId: sale.id, units: count, holdMs: HOLD_MS });
    const attempts = makeAttempts(count).map((attempt, index) => ({
      ...attempt,
      rid: ridOf(sale.id, attempt.rid, index),
    }));
    await keepInFlight(
      { batch: RESERVE_BATCH, durationMs: Number.POSITIVE_INFINITY, countMax: count },
      async (from, to) => {
        await store.reserve({ ...at, leaseId: null, attempts: attempts.slice(from, to) });
      },
    );
  }

  /** Runs a worker until everything that was accepted is committed. */
  async #commit(store: Awaited<ReturnType<typeof openStore>>, { sale }: OpenedSale, count: number): Promise<void> {
    let committed = 0;
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const commits: CommitFeed = {
      publish: (hints) => {
        for (const { firstSeq, lastSeq } of hints) committed += lastSeq - firstSeq + 1;
        if (committed >= count) finish();
      },
      subscribe: () => () => undefined,
      wake: () => undefined,
      onWake: () => () => undefined,
    };
    const sales: SaleDirectory = {
      findSale: (saleId) => (saleId === sale.id ? sale : null),
      listSales: () => [sale],
      refresh: async () => undefined,
      onRefresh: () => () => undefined,
    };
    const world = { clock: createSystemClock(), random: createSystemRandom(), log: NO_LOG, consumerId: "bench" };
    const worker = new CommitWorker({ ...world, store, books: this.#scene.books, commits, sales });
    worker.start();
    await finished;
    await worker.stop();
  }

  async #inBatches(address: Omit<CommitBatch, "rows">, send: (batch: CommitBatch) => Promise<void>): Promise<Figures> {
    const batches = batchesOf(address, this.#orders);
    const work = async (): Promise<void> => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        const promisedUntil = Date.now() + HOLD_MS - 2;
        await send({ ...batch, rows: batch.rows.map((row) => ({ ...row, promisedUntil })) });
      }
    };
    const warmUp = batches.splice(0, Math.ceil(batches.length * WARM_UP_SHARE));
    const rest = batches.splice(0, batches.length, ...warmUp);
    await work();
    batches.push(...rest);
    const count = batches.length * ROWS_PER_BATCH;
    return this.#observe(count, null, async () => {
      await Promise.all(Array.from({ length: FLIGHTS }, work));
    });
  }

  async #observe(orders: number, redisPid: number | null, work: () => Promise<void>): Promise<Figures> {
    const pid = this.#scene.cluster.pid ?? 0;
    const cpuMs = () => ({
      postgres: cpuMsOf(pid, { children: true }),
      redis: redisPid === null ? 0 : cpuMsOf(redisPid, { children: false }),
    });
    const before = { ...cpuMs(), own: process.cpuUsage(), atMs: performance.now() };
    await work();
    const elapsedMs = performance.now() - before.atMs;
    const own = process.cpuUsage(before.own);
    const after = cpuMs();
    const cpuUsByPart = {
      workers: (own.user + own.system) / orders,
      postgres: ((after.postgres - before.postgres) * 1_000) / orders,
      redis: ((after.redis - before.redis) * 1_000) / orders,
    };
    const cpuUs = cpuUsByPart.workers + cpuUsByPart.postgres + cpuUsByPart.redis;
    return { perS: (orders * 1_000) / elapsedMs, cpuUs, cpuUsByPart, latencyMsP50: null, latencyMsP99: null };
  }
}

/** Rids are unique over all sales, and these of two sales differ. */
function ridOf<Rid extends string>(saleId: string, rid: Rid, index: number): Rid {
  const number = `${saleId.replace(/\D/g, "")}_${index}_`;
  return (number + rid).slice(0, rid.length) as Rid;
}
