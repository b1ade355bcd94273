/**
 * `npm run bench:scripts`: what the redis ledger's scripts do a second, alone with one server, and what a unit weighs.
 *
 * The caller is the production adapter in this process, the server has the other core. Accepted and refused attempts in
 * batches, once without an append-only file (what the scripts can do) and once with an fsync before every answer
 * (what may be promised). `--write FILE` keeps the table. Server time per attempt is the figure to compare.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createRedisBucketStore } from "../../src/adapters/redis/redis-bucket-store.ts";
import { type BuyerId, deriveRid, type SaleId } from "../../src/domain/ids.ts";
import type { BucketEpoch, BucketStore } from "../../src/ports/bucket-store.ts";
import type { Attempt } from "../../src/ports/ledger.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { RedisServer, type RedisServerOptions } from "../../test/support/redis-server.ts";
import { waitUntil } from "../../test/support/waiting.ts";
import { cpuMsOf } from "./processor-time.ts";

const DURATION_MS = 3_000;
const WARM_UP_MS = 500;
const IN_FLIGHT = 4;
const BATCHES = [1, 64, 256];
/** Made beforehand, so that hashing ids is not part of the figure; used again in a fresh epoch. */
const ATTEMPTS_MAX = 400_000;
const MEMORY_UNITS = 100_000;
const FAR_AWAY = 9_000_000_000_000;
const SALE = "bench" as SaleId;

const SERVERS: readonly { readonly name: string; readonly options: RedisServerOptions }[] = [
  { name: "no append-only file", options: { appendOnly: false } },
  { name: "appendfsync always", options: {} },
];

interface Row {
  readonly server: string;
  readonly answer: string;
  readonly batch: number;
  readonly perS: number;
  readonly serverUs: number;
}

class ScriptBench {
  readonly rows: Row[] = [];
  readonly #attempts: readonly Attempt[];
  #epoch = 0;

  constructor(attempts: readonly Attempt[]) {
    this.#attempts = attempts;
  }

  async measure(server: RedisServer, store: BucketStore, name: string): Promise<void> {
    for (const batch of BATCHES) {
      for (const answer of ["accepted", "refused"] as const) {
        const at = await this.#freshBucket(store, answer === "accepted" ? ATTEMPTS_MAX : 0);
        await this.#run(store, { at, batch, durationMs: WARM_UP_MS, from: 0 });
        const again = await this.#freshBucket(store, answer === "accepted" ? ATTEMPTS_MAX : 0);
        const cpuBefore = cpuMsOf(server.pid ?? 0, { children: false });
        const startedAt = performance.now();
        const count = await this.#run(store, { at: again, batch, durationMs: DURATION_MS, from: 0 });
        const elapsedMs = performance.now() - startedAt;
        const serverMs = cpuMsOf(server.pid ?? 0, { children: false }) - cpuBefore;
        const row = {
          server: name,
          answer,
          batch,
          perS: (count * 1_000) / elapsedMs,
          serverUs: (serverMs * 1e3) / count,
        };
        process.stdout.write(`${renderRow(row)}\n`);
        this.rows.push(row);
        await this.#checkCount(store, again, answer === "accepted" ? count : 0);
      }
    }
  }

  async bytesPerUnit(server: RedisServer, store: BucketStore, batch: number): Promise<number> {
    const at = await this.#freshBucket(store, MEMORY_UNITS);
    await waitUntil("the server to have freed the last bucket", async () =>
      String(await server.call("INFO", "memory")).includes("lazyfree_pending_objects:0"),
    );
    const before = await usedMemory(server);
    await this.#run(store, { at, batch, durationMs: Number.POSITIVE_INFINITY, from: 0, countMax: MEMORY_UNITS });
    const taken = (await usedMemory(server)) - before;
    await store.remove(at);
    return taken / MEMORY_UNITS;
  }

  async #freshBucket(store: BucketStore, units: number): Promise<BucketEpoch> {
    if (this.#epoch > 0) await store.remove({ itemId: 1, bucket: 0, epoch: this.#epoch });
    this.#epoch += 1;
    const at = { itemId: 1, bucket: 0, epoch: this.#epoch };
    const settings = { revision: 1, opensAt: 1, closesAt: FAR_AWAY, isPaused: false, perBuyerMax: 4, holdMs: 60_000 };
    await store.prepare({ ...at, saleId: SALE, settings });
    await store.credit({ ...at, creditId: "all", units, notes: [] });
    await store.setGate({ ...at, isOpen: true });
    return at;
  }

  /** Keeps a few batches in flight until the time is over or the attempts are used up; answers how many were decided. */
  async #run(
    store: BucketStore,
    task: { at: BucketEpoch; batch: number; durationMs: number; from: number; countMax?: number },
  ): Promise<number> {
    const until = performance.now() + task.durationMs;
    const countMax = task.countMax ?? this.#attempts.length;
    let next = task.from;
    const worker = async (): Promise<void> => {
      while (next < countMax && performance.now() < until) {
        const attempts = this.#attempts.slice(next, next + task.batch);
        next += attempts.length;
        await store.reserve({ ...task.at, leaseId: null, attempts });
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    return next - task.from;
  }

  async #checkCount(store: BucketStore, at: BucketEpoch, accepted: number): Promise<void> {
    const audit = await store.audit(at);
    if (audit?.seq !== accepted) throw new Error(`${audit?.seq} were accepted, not ${accepted}`);
  }
}

async function usedMemory(server: RedisServer): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(String(await server.call("INFO", "memory")))?.[1]);
}

function makeAttempts(count: number): Attempt[] {
  return Array.from({ length: count }, (_, index) => {
    const buyerId = `buyer_${String(index).padStart(16, "0")}` as BuyerId;
    return { rid: deriveRid({ buyerId, saleId: SALE, idempotencyKey: "bench-key" }), buyerId, quantity: 1 };
  });
}

const HEAD = `| server | answer | batch | per second | server µs per attempt |
| --- | --- | ---: | ---: | ---: |`;

function renderRow({ server, answer, batch, perS, serverUs }: Row): string {
  return `| ${[server, answer, batch, Math.round(perS).toLocaleString("en"), serverUs.toFixed(2)].join(" | ")} |`;
}

const silent = (): void => undefined;
const log: Log = { debug: silent, info: silent, warn: silent, error: silent };

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { write: { type: "string" } } });
  const bench = new ScriptBench(makeAttempts(ATTEMPTS_MAX));
  const weights: string[] = [];
  process.stdout.write(`${HEAD}\n`);
  for (const { name, options } of SERVERS) {
    const server = await RedisServer.start(options);
    const store = createRedisBucketStore({
      urls: [server.url],
      deployment: "bench",
      durability: "everysec",
      answerTimeoutMs: 10_000,
      clock: createSystemClock(),
      log,
    });
    try {
      await store.warmUp();
      await bench.measure(server, store, name);
      if (options.appendOnly !== false) continue;
      for (const batch of BATCHES) {
        weights.push(`${(await bench.bytesPerUnit(server, store, batch)).toFixed(0)} B in batches of ${batch}`);
      }
    } finally {
      await store.close();
      await server.stop();
    }
  }
  const weight = `Memory per reserved unit, its place in the stream included, at ${MEMORY_UNITS} units: ${weights.join(", ")}.`;
  process.stdout.write(`\n${weight}\n`);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${process.version}, ${new Date().toISOString().slice(0, 10)}`;
  const table = `Machine: ${machine}. The caller included.\n\n${HEAD}\n${bench.rows.map(renderRow).join("\n")}\n\n${weight}\n`;
  if (values.write !== undefined) writeFileSync(values.write, table);
}

await main();
