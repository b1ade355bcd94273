/**
 * The ladder's third group: the redis ledger's script beside the least a script could do, and beside `redis-benchmark`.
 *
 * One durable server (`appendfsync always`), the caller in this process. `redis-benchmark` writes one field at a time, 64 in
 * a pipeline: what the server makes durable when nobody thinks. Script time is what Redis itself counts for the call.
 */
import type { Attempt } from "../../src/ports/ledger.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { BucketLoad, makeAttempts, openStore } from "./bucket-load.ts";
import { type Figures, type LadderRow, meanFigures } from "./ladder-row.ts";
import type { LadderOptions } from "./ladder-run.ts";
import { MinimalBucket } from "./minimal-bucket.ts";
import { cpuMsOf } from "./processor-time.ts";
import { runTool } from "./tool.ts";

const BATCHES = [1, 64, 256];
const PIPELINE = 64;
const BENCHMARK_CLIENTS = 4;
/** A single write is that much less work than an acceptance, so more of them fill the same time. */
const WRITES_PER_ATTEMPT = 4;
const ATTEMPTS_PER_COUNT = 3;

/** `redis-benchmark`, then for each size of batch the minimal script and ours. */
export async function measureScripts(options: LadderOptions): Promise<readonly LadderRow[]> {
  const server = await RedisServer.start();
  const store = await openStore(server.url);
  const minimal = await MinimalBucket.open(server.url);
  try {
    const rows: LadderRow[] = [];
    const add = (row: Omit<LadderRow, "group" | "problem">): void => {
      const whole = { ...row, group: "scripts", problem: null } as const;
      options.tell(whole);
      rows.push(whole);
    };
    const benchmark = await runBenchmark(server, options.countMax * WRITES_PER_ATTEMPT);
    const name = `redis-benchmark: HSET, ${PIPELINE} in a pipeline`;
    add({ id: "redis/scripts/benchmark", name, figures: benchmark, limit: null });
    const attempts = makeAttempts(options.countMax * ATTEMPTS_PER_COUNT);
    const load = new BucketLoad(store, attempts);
    for (const batch of BATCHES) {
      const before = await runMinimal(server, minimal, { attempts, batch, ...options });
      const own = await runOwn(server, load, { units: attempts.length, batch, ...options });
      const after = await runMinimal(server, minimal, { attempts, batch, ...options });
      const least = meanFigures([before, after]);
      const leastName = `minimal script, batches of ${batch}`;
      add({
        id: `redis/scripts/minimal-${batch}`,
        name: leastName,
        figures: least,
        limit: { name, figures: benchmark },
      });
      const limit = { name: leastName, figures: least };
      add({ id: `redis/scripts/reserve-${batch}`, name: `reserve, batches of ${batch}`, figures: own, limit });
    }
    return rows;
  } finally {
    minimal.close();
    await store.close();
    await server.stop();
  }
}

interface ScriptTask {
  readonly batch: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

async function runMinimal(
  server: RedisServer,
  minimal: MinimalBucket,
  { attempts, batch, warmUpMs, durationMs }: ScriptTask & { readonly attempts: readonly Attempt[] },
): Promise<Figures> {
  await minimal.run(attempts, { batch, durationMs: warmUpMs });
  return observe(server, () => minimal.run(attempts, { batch, durationMs }));
}

async function runOwn(
  server: RedisServer,
  load: BucketLoad,
  { units, batch, warmUpMs, durationMs }: ScriptTask & { readonly units: number },
): Promise<Figures> {
  await load.run({ at: await load.freshBucket(units), batch, durationMs: warmUpMs });
  const at = await load.freshBucket(units);
  let count = 0;
  const figures = await observe(server, async () => {
    count = await load.run({ at, batch, durationMs });
    return count;
  });
  await load.checkCount(at, count);
  return figures;
}

/** What the server did and took while so many attempts were decided. */
async function observe(server: RedisServer, work: () => Promise<number>): Promise<Figures> {
  const pid = server.pid ?? 0;
  const before = { cpuMs: cpuMsOf(pid, { children: false }), scriptUs: await scriptUsOf(server) };
  const startedMs = performance.now();
  const count = await work();
  const elapsedMs = performance.now() - startedMs;
  const cpuUs = ((cpuMsOf(pid, { children: false }) - before.cpuMs) * 1_000) / count;
  const scriptUs = ((await scriptUsOf(server)) - before.scriptUs) / count;
  const latency = { latencyMsP50: null, latencyMsP99: null };
  return { perS: (count * 1_000) / elapsedMs, cpuUs, cpuUsByPart: { redis: cpuUs }, ...latency, scriptUs };
}

/** Microseconds that the server has spent in scripts so far. */
async function scriptUsOf(server: RedisServer): Promise<number> {
  const text = String(await server.call("INFO", "commandstats"));
  const found = text.matchAll(/^cmdstat_(?:eval|evalsha|fcall):calls=\d+,usec=(\d+)/gm);
  return [...found].reduce((sum, match) => sum + Number(match[1]), 0);
}

async function runBenchmark(server: RedisServer, writes: number): Promise<Figures> {
  const pid = server.pid ?? 0;
  const where = ["-h", "127.0.0.1", "-p", String(server.port)];
  const how = ["-c", String(BENCHMARK_CLIENTS), "-P", String(PIPELINE), "-n", String(writes), "-r", "1000000", "--csv"];
  const beforeMs = cpuMsOf(pid, { children: false });
  const command = ["HSET", "benchmark", "__rand_int__", "1"];
  const stdout = await runTool("redis-benchmark", [...where, ...how, ...command]);
  const cpuUs = ((cpuMsOf(pid, { children: false }) - beforeMs) * 1_000) / writes;
  await server.call("UNLINK", "benchmark");
  const [perS = "0", , , latencyMsP50 = "0", , latencyMsP99 = "0"] = fieldsOf(stdout.trim().split("\n").at(-1) ?? "");
  const latencies = { latencyMsP50: Number(latencyMsP50), latencyMsP99: Number(latencyMsP99) };
  return { perS: Number(perS), cpuUs, cpuUsByPart: { redis: cpuUs }, ...latencies };
}

/** The values of a line `"name","1","2",…`, without the name. */
function fieldsOf(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"/g)].slice(1).map((match) => match[1] ?? "");
}
