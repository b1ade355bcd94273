/**
 * `npm run bench:commit`: how many acceptances a second become orders, on a durable PostgreSQL.
 *
 * One call of the books is one transaction, as the commit worker makes them. One and three workers on one item, each row a
 * buyer of its own, and last the same batches once more, which is what a redelivery costs. The load runs in this
 * process: its own share is in the table, so that a slow machine is not mistaken for a slow database.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { createPostgresDatabase } from "../../src/adapters/postgres/database.ts";
import { migrate, readMigrations } from "../../src/adapters/postgres/migrate.ts";
import { PostgresBooks } from "../../src/adapters/postgres/postgres-books.ts";
import { PostgresSaleStore } from "../../src/adapters/postgres/postgres-sale-store.ts";
import type { SaleId, Sku } from "../../src/domain/ids.ts";
import type { CommitBatch, CommitRow } from "../../src/ports/books.ts";
import type { Database } from "../../src/ports/database.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { cpuMsOf } from "./processor-time.ts";

const ROWS_PER_BATCH = 500;
const ORDERS_DEFAULT = 100_000;
const WARM_UP_BATCHES = 10;
const WORKERS_MAX = 3;
const HOLD_MS = 600_000;
const ANSWER_TIMEOUT_MS = 20_000;
const NO_LOG: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface Figures {
  readonly name: string;
  readonly ordersPerS: number;
  readonly batchMsP50: number;
  readonly batchMsP99: number;
  readonly databaseCpuUsPerOrder: number;
  readonly loadCpuUsPerOrder: number;
}

class Bench {
  readonly #cluster: PostgresCluster;
  readonly #database: Database;
  readonly #books: PostgresBooks;
  #sales = 0;

  constructor(options: { cluster: PostgresCluster; database: Database }) {
    this.#cluster = options.cluster;
    this.#database = options.database;
    this.#books = new PostgresBooks(options.database);
  }

  /** Each worker commits its share of the item's numbers; the first batches are not counted. */
  async measure(name: string, options: { orders: number; workers: number; deliveries: 1 | 2 }): Promise<Figures> {
    const { workers, deliveries } = options;
    const warmUpRows = WARM_UP_BATCHES * ROWS_PER_BATCH;
    const address = await this.#openSale(warmUpRows + options.orders);
    const batches = batchesOf(address, warmUpRows + options.orders);
    await this.#commitAll(batches.splice(0, WARM_UP_BATCHES), workers);
    const measured = [...batches];
    if (deliveries === 2) await this.#commitAll(batches, workers);
    const pid = this.#cluster.pid ?? 0;
    const before = { database: cpuMsOf(pid, { children: true }), load: process.cpuUsage() };
    const startedAt = performance.now();
    const batchMs = await this.#commitAll(measured, workers);
    const elapsedMs = performance.now() - startedAt;
    const load = process.cpuUsage(before.load);
    batchMs.sort((left, right) => left - right);
    const orders = batchMs.length * ROWS_PER_BATCH;
    return {
      name,
      ordersPerS: (orders * 1_000) / elapsedMs,
      batchMsP50: batchMs[Math.floor(batchMs.length / 2)] ?? 0,
      batchMsP99: batchMs[Math.floor(batchMs.length * 0.99)] ?? 0,
      databaseCpuUsPerOrder: ((cpuMsOf(pid, { children: true }) - before.database) * 1_000) / orders,
      loadCpuUsPerOrder: (load.user + load.system) / orders,
    };
  }

  /** Milliseconds of each batch, which leaves with the promise that a bucket would have made just before. */
  async #commitAll(batches: CommitBatch[], workers: number): Promise<number[]> {
    const batchMs: number[] = [];
    const work = async (): Promise<void> => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        const promisedUntil = Date.now() + HOLD_MS - 2;
        const rows = batch.rows.map((row) => ({ ...row, promisedUntil }));
        const startedAt = performance.now();
        const outcome = await this.#books.commitBatch({ ...batch, rows });
        batchMs.push(performance.now() - startedAt);
        if (outcome.kind !== "done") throw new Error("the sale was fenced in the middle of the measurement");
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    return batchMs;
  }

  /** A sale in redis mode whose only item has all its units lent to its only bucket. */
  async #openSale(units: number): Promise<Omit<CommitBatch, "rows">> {
    this.#sales += 1;
    const sale = await new PostgresSaleStore(this.#database).createSale({
      id: `bench-${this.#sales}` as SaleId,
      ...{ name: "Bench", description: null, imageUrl: null, opensAt: 0, closesAt: 9_000_000_000_000, holdMs: HOLD_MS },
      ...{ perBuyerMax: 2, challenge: "none", signature: "optional", eligibility: {}, buckets: 1 },
      items: [
        { sku: "seat" as Sku, name: "Seat", price: { amount: 4_900, currency: "EUR" }, stock: units, perBuyerMax: 2 },
      ],
    });
    const address = { saleId: sale.id, itemId: sale.items[0]?.itemId ?? 0, bucket: 0, epoch: sale.epoch + 1 };
    const { saleId, epoch } = address;
    await this.#books.fence({ saleId, seenEpoch: sale.epoch, mode: "warming", reason: "bench" });
    const grant = await this.#books.placeGrant({ ...address, grantId: `bench-${this.#sales}`, units });
    await this.#books.settleGrant({ grantId: grant?.grantId ?? "", movedUnits: units });
    await this.#books.changeMode({ saleId, epoch, from: "warming", to: "redis", reason: "bench" });
    return address;
  }
}

function batchesOf(address: Omit<CommitBatch, "rows">, count: number): CommitBatch[] {
  const batches: CommitBatch[] = [];
  for (let first = 1; first <= count; first += ROWS_PER_BATCH) {
    const rows = Array.from({ length: ROWS_PER_BATCH }, (_, index) => rowOf(address, first + index));
    batches.push({ ...address, rows });
  }
  return batches;
}

/** Ids as long and as random as real ones: their order in the indexes is what a commit costs. */
function rowOf({ saleId }: { saleId: string }, seq: number): CommitRow {
  const digest = createHash("sha256").update(`${saleId}-${seq}`).digest("base64url");
  return { seq, rid: digest.slice(0, 28), buyerId: `b-${digest.slice(-22)}`, quantity: 1, promisedUntil: 0 };
}

function printTable(rows: readonly Figures[]): void {
  const lines = [
    "| case | orders/s | batch p50 ms | batch p99 ms | PostgreSQL CPU µs/order | load CPU µs/order |",
    "|---|---:|---:|---:|---:|---:|",
    ...rows.map((row) => {
      const figures = [row.batchMsP50, row.batchMsP99, row.databaseCpuUsPerOrder, row.loadCpuUsPerOrder];
      const cells = [row.name, Math.round(row.ordersPerS), ...figures.map((value) => value.toFixed(1))];
      return `| ${cells.join(" | ")} |`;
    }),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

const { values } = parseArgs({ options: { orders: { type: "string", default: String(ORDERS_DEFAULT) } } });
const orders = Math.ceil(Number(values.orders) / ROWS_PER_BATCH) * ROWS_PER_BATCH;
const cluster = await PostgresCluster.start({ isDurable: true });
try {
  const database = createPostgresDatabase({
    url: await cluster.createDatabase(),
    connectionsMax: WORKERS_MAX,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    applicationName: "bench",
    log: NO_LOG,
  });
  await migrate(database, await readMigrations());
  const bench = new Bench({ cluster, database });
  printTable([
    await bench.measure("1 worker", { orders, workers: 1, deliveries: 1 }),
    await bench.measure(`${WORKERS_MAX} workers`, { orders, workers: WORKERS_MAX, deliveries: 1 }),
    await bench.measure("1 worker, delivered again", { orders, workers: 1, deliveries: 2 }),
  ]);
  await database.close();
} finally {
  await cluster.stop();
}
