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
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import { RedisServer, type RedisServerOptions } from "../../test/support/redis-server.ts";
import { waitUntil } from "../../test/support/waiting.ts";
import { BucketLoad, makeAttempts, openStore } from "./bucket-load.ts";
import { cpuMsOf } from "./processor-time.ts";

const DURATION_MS = 3_000;
const WARM_UP_MS = 500;
const BATCHES = [1, 64, 256];
/** Made beforehand, so that hashing ids is not part of the figure; used again in a fresh epoch. */
const ATTEMPTS_MAX = 400_000;
const MEMORY_UNITS = 100_000;

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
  readonly #attempts = makeAttempts(ATTEMPTS_MAX);

  /** Load on a server's only bucket. */
  loadOf(store: BucketStore): BucketLoad {
    return new BucketLoad(store, this.#attempts);
  }

  async measure(server: RedisServer, load: BucketLoad, name: string): Promise<void> {
    for (const batch of BATCHES) {
      for (const answer of ["accepted", "refused"] as const) {
        const units = answer === "accepted" ? ATTEMPTS_MAX : 0;
        await load.run({ at: await load.freshBucket(units), batch, durationMs: WARM_UP_MS });
        const at = await load.freshBucket(units);
        const cpuBefore = cpuMsOf(server.pid ?? 0, { children: false });
        const startedAt = performance.now();
        const count = await load.run({ at, batch, durationMs: DURATION_MS });
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
        await load.checkCount(at, answer === "accepted" ? count : 0);
      }
    }
  }

  async bytesPerUnit(server: RedisServer, load: BucketLoad, batch: number): Promise<number> {
    const at = await load.freshBucket(MEMORY_UNITS);
    await waitUntil("the server to have freed the last bucket", async () =>
      String(await server.call("INFO", "memory")).includes("lazyfree_pending_objects:0"),
    );
    const before = await usedMemory(server);
    await load.run({ at, batch, durationMs: Number.POSITIVE_INFINITY, countMax: MEMORY_UNITS });
    const taken = (await usedMemory(server)) - before;
    await load.store.remove(at);
    return taken / MEMORY_UNITS;
  }
}

async function usedMemory(server: RedisServer): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(String(await server.call("INFO", "memory")))?.[1]);
}

const HEAD = `| server | answer | batch | per second | server µs per attempt |
| --- | --- | ---: | ---: | ---: |`;

function renderRow({ server, answer, batch, perS, serverUs }: Row): string {
  return `| ${[server, answer, batch, Math.round(perS).toLocaleString("en"), serverUs.toFixed(2)].join(" | ")} |`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { write: { type: "string" } } });
  const bench = new ScriptBench();
  const weights: string[] = [];
  process.stdout.write(`${HEAD}\n`);
  for (const { name, options } of SERVERS) {
    const server = await RedisServer.start(options);
    const store = await openStore(server.url);
    try {
      const load = bench.loadOf(store);
      await bench.measure(server, load, name);
      if (options.appendOnly !== false) continue;
      for (const batch of BATCHES) {
        weights.push(`${(await bench.bytesPerUnit(server, load, batch)).toFixed(0)} B in batches of ${batch}`);
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
