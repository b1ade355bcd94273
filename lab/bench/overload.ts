/**
 * `npm run bench:overload`: five times as many attempts as can be decided, and what is left of the shop meanwhile.
 *
 * First the peak: what the node accepts per second in a closed loop. Then, in one open loop: half of the peak (quiet), five
 * times the peak, half of it again; the first connections are open before, as those of buyers are who wait. Asked for:
 * accepted ≥ 90 % of the peak, refusals p99 ≤ 20 ms, accepted p99 ≤ 250 ms, event-loop delay p99 ≤ 50 ms, and within 5 s
 * after it everything as it was. The ledger is made the bottleneck by a thin line to PostgreSQL (`--ledger-bytes-per-s`,
 * 0 = as it is): a node that is bound by its processor cannot be offered five times what it accepts on two cores, since
 * refusing costs a fifth of accepting. The line is no wider than 120,000, because with a wider one node, PostgreSQL and
 * generator together leave the two cores no room, and what is measured is how three programs share them: refusals' p99 was
 * 17 to 66 ms at 150,000 and 10 to 15 ms at 120,000. `--smoke` is short and proves nothing. With
 * `--kill-edge` the node has an edge Redis, which is ended when the overload begins.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NodeProcess, runtimeCommand } from "../../test/support/node-process.ts";
import { NO_LIMITS, NO_SHARED_LIMITS } from "../../test/support/open-limits.ts";
import { Operator } from "../../test/support/operator-client.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { FaultProxy } from "../chaos/fault-proxy.ts";
import type { BlastTask } from "./blaster.ts";
import { numberOf, oneOf, readFlags, wholeNumberOf } from "./flags.ts";
import { measure } from "./measure.ts";
import type { OpenLoopResult, OpenLoopTask } from "./open-loop.ts";
import { judgeOverload, type OverloadFigures, renderOverload } from "./overload-report.ts";
import { cpuMsOf } from "./processor-time.ts";

const FACTOR = 5;
const QUIET_SHARE = 0.5;
const CONNECTIONS_PEAK = 768;
const CONNECTIONS_MAX = 6_000;
const CONNECTIONS_READY = 1_500;
const HOUR_MS = 3_600_000;
const STOCK = 10_000_000;
/** Requests beyond those that can be accepted: what waits, is under way, or was refused a moment ago. */
const BOOK_SPARE = 60_000;

const { values, runtime, factor, bytesPerS } = readFlags(() => {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", default: "bun" },
      "ledger-bytes-per-s": { type: "string", default: "120000" },
      factor: { type: "string", default: String(FACTOR) },
      "kill-edge": { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      write: { type: "string" },
    },
  });
  return {
    values,
    runtime: oneOf("--runtime", values.runtime, ["bun", "node"]),
    factor: numberOf("--factor", values.factor, { min: 1, max: 100 }),
    bytesPerS: wholeNumberOf("--ledger-bytes-per-s", values["ledger-bytes-per-s"], { min: 0, max: 1_000_000_000 }),
  };
});
const times = values.smoke
  ? { warmUpMs: 500, peakMs: 1_000, quietMs: 1_000, overloadMs: 2_000, afterMs: 2_000 }
  : { warmUpMs: 2_000, peakMs: 5_000, quietMs: 6_000, overloadMs: 15_000, afterMs: 10_000 };

async function createSale(operator: Operator, run: string): Promise<string> {
  const now = Date.now();
  const saleId = `overload-${run}`;
  const answer = await operator.send("POST", "/sales", {
    id: saleId,
    name: "Overload",
    opensAt: now - 1_000,
    closesAt: now + HOUR_MS,
    holdMs: HOUR_MS,
    perBuyerMax: 1,
    signature: "optional",
    items: [{ sku: "seat", name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: STOCK }],
  });
  if (answer.status !== 201) throw new Error(`could not create ${saleId}: ${answer.status} ${answer.text}`);
  return saleId;
}

function bookOf(node: NodeProcess, saleId: string, count: number) {
  const shape = { session: "genuine", signature: "none", buyers: count } as const;
  return { secret: node.secret, saleId, sku: "seat", count, shape, run: randomBytes(4).toString("hex") };
}

async function findPeak(node: NodeProcess, saleId: string): Promise<number> {
  const count = values.smoke ? 30_000 : 200_000;
  const task: BlastTask = {
    ports: [node.buyerPort],
    connections: CONNECTIONS_PEAK,
    warmUpMs: times.warmUpMs,
    durationMs: times.peakMs,
    ratePerS: null,
    book: bookOf(node, saleId, count),
    repeat: false,
  };
  const { requestsPerS, outcomes, latencyMsP99 } = await measure(task, [{ pid: node.pid, children: false }]);
  const all = Object.values(outcomes).reduce((sum, each) => sum + each, 0);
  const peakPerS = requestsPerS * ((outcomes["accepted"] ?? 0) / Math.max(1, all));
  process.stderr.write(`peak ${Math.round(peakPerS)}/s, p99 ${latencyMsP99} ms, ${JSON.stringify(outcomes)}\n`);
  return peakPerS;
}

async function load(
  node: NodeProcess,
  saleId: string,
  { peakPerS, edge }: { readonly peakPerS: number; readonly edge: RedisServer | null },
): Promise<OverloadFigures> {
  const phases = [
    { name: "quiet", ratePerS: peakPerS * QUIET_SHARE, durationMs: times.quietMs },
    { name: "overload", ratePerS: peakPerS * factor, durationMs: times.overloadMs },
    { name: "after", ratePerS: peakPerS * QUIET_SHARE, durationMs: times.afterMs },
  ];
  const seconds = (times.quietMs + times.overloadMs + times.afterMs) / 1_000;
  const count = Math.ceil(peakPerS * 1.2 * seconds) + BOOK_SPARE;
  const task: OpenLoopTask = {
    port: node.buyerPort,
    connectionsMax: CONNECTIONS_MAX,
    connectionsReady: CONNECTIONS_READY,
    phases,
    book: bookOf(node, saleId, count),
  };
  const cpuBeforeMs = cpuMsOf(node.pid, { children: false });
  let loopDelayMsP99 = 0;
  let memoryMbMax = 0;
  const result = await runOpenLoop(task, async (phase) => {
    if (phase === "overload") await edge?.kill();
    // The gauge covers the last ten seconds: when a phase begins, those of the one before it.
    const metrics = await readMetrics(node);
    if (phase === "after") loopDelayMsP99 = (metrics.get("doorbuster_event_loop_delay_tail_seconds") ?? 0) * 1_000;
    memoryMbMax = Math.max(memoryMbMax, (metrics.get("process_resident_memory_bytes") ?? 0) / 1_048_576);
  });
  const cpuShare = (cpuMsOf(node.pid, { children: false }) - cpuBeforeMs) / (seconds * 1_000);
  const losesEdge = edge !== null;
  return { runtime, factor, bytesPerS, peakPerS, losesEdge, result, loopDelayMsP99, memoryMbMax, cpuShare };
}

async function readMetrics(node: NodeProcess): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${node.adminUrl}/metrics`)).text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

/** Runs the crowd; `onPhase` is called when a phase begins. */
async function runOpenLoop(task: OpenLoopTask, onPhase: (name: string) => Promise<void>): Promise<OpenLoopResult> {
  const [command, flags] = runtimeCommand("bun");
  const child = spawn(command, [...flags, join(import.meta.dirname, "open-loop.ts"), JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const looks: Promise<void>[] = [];
  let result: OpenLoopResult | null = null;
  for await (const line of linesOf(child)) {
    const said = JSON.parse(line) as { begins: string } | OpenLoopResult;
    if ("begins" in said) looks.push(onPhase(said.begins));
    else result = said;
  }
  await Promise.all(looks);
  if (result === null) throw new Error("the crowd ended before it said what it saw");
  return result;
}

async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of child.stdout ?? []) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => line !== "");
  }
}

const cluster = await PostgresCluster.start({ isDurable: true });
const line =
  bytesPerS === 0 ? null : await FaultProxy.start({ name: "ledger", target: { port: cluster.port }, seed: 1 });
const edge = values["kill-edge"] ? await RedisServer.start({ appendOnly: false }) : null;
let isRight = false;
try {
  const databaseUrl = new URL(await cluster.createDatabase());
  if (line !== null) databaseUrl.port = String(line.port);
  // What each buyer did is what nodes tell each other through it: without that limit it would have nothing to do.
  const limits = edge === null ? NO_LIMITS : { ...NO_SHARED_LIMITS, EDGE_REDIS_URL: edge.url };
  const env = { ...limits, LOG_LEVEL: "warn" };
  const node = await NodeProcess.start({ runtime, databaseUrl: databaseUrl.href, env });
  try {
    line?.disturb({ bytesPerS });
    const saleId = await createSale(new Operator(node), randomBytes(4).toString("hex"));
    const figures = await load(node, saleId, { peakPerS: await findPeak(node, saleId), edge });
    const report = renderOverload(figures);
    process.stdout.write(report);
    if (values.write !== undefined) writeFileSync(values.write, report);
    isRight = judgeOverload(figures).every((row) => row.isMet);
  } finally {
    await node.stop();
  }
} finally {
  await edge?.stop();
  await line?.stop();
  await cluster.stop();
}
process.exit(isRight ? 0 : 1);
