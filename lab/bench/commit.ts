/**
 * `npm run bench:commit`: how many acceptances a second become orders, on a durable PostgreSQL.
 *
 * One call of the books is one transaction, as the commit worker makes them. One and three workers on one item, each row a
 * buyer of its own, and last the same batches once more, which is what a redelivery costs. The load runs in this
 * process: its own share is in the table, so that a slow machine is not mistaken for a slow database.
 */
import { parseArgs } from "node:util";
import type { CommitBatch } from "../../src/ports/books.ts";
import { batchesOf, CommitScene, HOLD_MS, ROWS_PER_BATCH } from "./commit-scene.ts";
import { cpuMsOf } from "./processor-time.ts";

const ORDERS_DEFAULT = 100_000;
const WARM_UP_BATCHES = 10;
const WORKERS_MAX = 3;

interface Figures {
  readonly name: string;
  readonly ordersPerS: number;
  readonly batchMsP50: number;
  readonly batchMsP99: number;
  readonly databaseCpuUsPerOrder: number;
  readonly loadCpuUsPerOrder: number;
}

class Bench {
  readonly #scene: CommitScene;

  constructor(scene: CommitScene) {
    this.#scene = scene;
  }

  /** Each worker commits its share of the item's numbers; the first batches are not counted. */
  async measure(name: string, options: { orders: number; workers: number; deliveries: 1 | 2 }): Promise<Figures> {
    const { workers, deliveries } = options;
    const warmUpRows = WARM_UP_BATCHES * ROWS_PER_BATCH;
    const { address } = await this.#scene.openSale(warmUpRows + options.orders);
    const batches = batchesOf(address, warmUpRows + options.orders);
    await this.#commitAll(batches.splice(0, WARM_UP_BATCHES), workers);
    const measured = [...batches];
    if (deliveries === 2) await this.#commitAll(batches, workers);
    const pid = this.#scene.cluster.pid ?? 0;
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
        const outcome = await this.#scene.books.commitBatch({ ...batch, rows });
        batchMs.push(performance.now() - startedAt);
        if (outcome.kind !== "done") throw new Error("the sale was fenced in the middle of the measurement");
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    return batchMs;
  }
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
await CommitScene.during(WORKERS_MAX, async (scene) => {
  const bench = new Bench(scene);
  printTable([
    await bench.measure("1 worker", { orders, workers: 1, deliveries: 1 }),
    await bench.measure(`${WORKERS_MAX} workers`, { orders, workers: WORKERS_MAX, deliveries: 1 }),
    await bench.measure("1 worker, delivered again", { orders, workers: 1, deliveries: 2 }),
  ]);
});
