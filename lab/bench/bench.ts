/**
 * `npm run bench`: what a decision costs, beside a bare server on the same two cores in the same run.
 *
 * For each runtime: the bare server, every refusal, reservations on the embedded and on a real, durable PostgreSQL, and
 * the latency at 70 % of the maximum. Servers are started here on loopback and ended by process id. `--write FILE` keeps
 * the table. Ratios and processor time are the figures to compare; requests per second are this machine's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NodeProcess, type Runtime, runtimeCommand } from "../../test/support/node-process.ts";
import { Operator } from "../../test/support/operator-client.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import type { BlastTask } from "./blaster.ts";
import { type MeasuredProcess, type Measurement, measure } from "./measure.ts";
import { acceptedPath, type BenchPath, OTHER_ANSWERS_FRACTION_MAX, REFUSED_PATHS, type SaleSetup } from "./paths.ts";
import { type ReportRow, renderReport } from "./report.ts";

const CONNECTIONS_REFUSED = 64;
const CONNECTIONS_ACCEPTED = 256;
const WARM_UP_MS = 1_000;
const DURATION_MS = 3_000;
const ACCEPTED_COUNT_MAX = 120_000;
const STEADY_FRACTION = 0.7;
const HOUR_MS = 3_600_000;

interface Target {
  readonly node: NodeProcess;
  readonly processes: readonly MeasuredProcess[];
}

class Bench {
  readonly #rows: ReportRow[] = [];
  readonly #runtime: Runtime;
  #bare: Measurement | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get rows(): readonly ReportRow[] {
    return this.#rows;
  }

  async bare(): Promise<void> {
    const [command, flags] = runtimeCommand(this.#runtime);
    const file = join(import.meta.dirname, "bare-server.ts");
    const child = spawn(command, [...flags, file], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const port = await firstNumber(child);
      const processes = [{ pid: child.pid ?? 0, children: false }];
      this.#bare = await measure(closedLoop({ ports: [port], book: null, repeat: true }), processes);
      this.#report("bare server", this.#bare, "200");
    } finally {
      child.kill("SIGKILL");
    }
  }

  async refusals(target: Target): Promise<void> {
    const operator = new Operator(target.node);
    for (const path of REFUSED_PATHS) {
      await prepareSale(operator, target.node, path.sale);
      this.#report(path.name, await this.#run(target, path, null), path.expected);
    }
  }

  /** The maximum, signed and unsigned, then the latency at a steady share of the signed maximum. */
  async accepted(target: Target, store: string): Promise<void> {
    const operator = new Operator(target.node);
    let maximumPerS = 0;
    for (const signature of ["optional", "required"] as const) {
      const path = acceptedPath(randomBytes(4).toString("hex"), signature, ACCEPTED_COUNT_MAX);
      await prepareSale(operator, target.node, path.sale);
      const measurement = await this.#run(target, path, null);
      maximumPerS = measurement.requestsPerS;
      this.#report(`${path.name}, ${store}`, measurement, path.expected);
    }
    const path = acceptedPath(randomBytes(4).toString("hex"), "required", ACCEPTED_COUNT_MAX);
    await prepareSale(operator, target.node, path.sale);
    const ratePerS = maximumPerS * STEADY_FRACTION;
    this.#report(`${path.name}, ${store}, at 70 %`, await this.#run(target, path, ratePerS), path.expected);
  }

  async #run(target: Target, path: BenchPath, ratePerS: number | null): Promise<Measurement> {
    const run = randomBytes(4).toString("hex");
    const saleId = path.sale?.id ?? "no-such-sale";
    const { secret, buyerPort: port } = target.node;
    const book = { secret, saleId, sku: "seat", count: path.count, shape: path.shape, run };
    const connections = path.expected === "accepted" ? CONNECTIONS_ACCEPTED : CONNECTIONS_REFUSED;
    const task = { ...closedLoop({ ports: [port], book, repeat: path.repeat }), connections, ratePerS };
    return measure(task, target.processes);
  }

  #report(name: string, measurement: Measurement, expected: string): void {
    const all = Object.values(measurement.outcomes).reduce((sum, count) => sum + count, 0);
    const other = all - (measurement.outcomes[expected] ?? 0);
    const isRight = measurement.failures === 0 && all > 0 && other <= all * OTHER_ANSWERS_FRACTION_MAX;
    const bare = this.#bare ?? measurement;
    this.#rows.push({
      runtime: this.#runtime,
      name,
      measurement,
      ratioToBare: measurement.requestsPerS / bare.requestsPerS,
      problem: isRight ? null : `expected ${expected}, got ${JSON.stringify(measurement.outcomes)}`,
    });
    process.stderr.write(`${this.#runtime.padEnd(5)}${name.padEnd(48)}${Math.round(measurement.requestsPerS)}/s\n`);
  }
}

function closedLoop(what: Pick<BlastTask, "ports" | "book" | "repeat">): BlastTask {
  return {
    ...what,
    connections: CONNECTIONS_REFUSED,
    warmUpMs: WARM_UP_MS,
    durationMs: DURATION_MS,
    ratePerS: null,
  };
}

async function prepareSale(operator: Operator, node: NodeProcess, setup: SaleSetup | null): Promise<void> {
  if (setup === null) return;
  const now = Date.now();
  const answer = await operator.send("POST", "/sales", {
    id: setup.id,
    name: "Measurement",
    opensAt: now + setup.opensInMs,
    closesAt: now + setup.opensInMs + 2 * HOUR_MS,
    holdMs: HOUR_MS,
    perBuyerMax: 1,
    signature: setup.signature,
    eligibility: setup.eligibility ?? {},
    items: [{ sku: "seat", name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: setup.stock }],
  });
  const isThere = answer.status === 201 || answer.status === 409;
  if (!isThere) throw new Error(`could not create ${setup.id}: ${answer.status} ${answer.text}`);
  if (setup.isTaken && answer.status === 201) await takeAll(node, setup);
}

/** One buyer takes what there is, so that the latch closes. */
async function takeAll(node: NodeProcess, setup: SaleSetup): Promise<void> {
  const book = {
    secret: node.secret,
    saleId: setup.id,
    sku: "seat",
    count: setup.stock,
    shape: { session: "genuine", signature: "right", buyers: setup.stock } as const,
    run: randomBytes(4).toString("hex"),
  };
  const task = { ...closedLoop({ ports: [node.buyerPort], book, repeat: false }), connections: 1, warmUpMs: 0 };
  const taken = await measure(task, []);
  if (taken.outcomes["accepted"] !== setup.stock) throw new Error(`could not take the stock of ${setup.id}`);
}

async function firstNumber(child: ChildProcess): Promise<number> {
  for await (const chunk of child.stdout ?? []) return Number(String(chunk).trim());
  throw new Error("the bare server ended before it said its port");
}

async function withNode(runtime: Runtime, cluster: PostgresCluster | null, work: (target: Target) => Promise<void>) {
  const databaseUrl = cluster === null ? null : await cluster.createDatabase();
  const env = { RATE_IP_PER_S: "1000000", RATE_NETWORK_PER_S: "0", LOG_LEVEL: "warn" };
  const node = await NodeProcess.start({ runtime, databaseUrl, env });
  const database = cluster?.pid ?? null;
  const own = { pid: node.pid, children: false };
  try {
    await work({ node, processes: database === null ? [own] : [own, { pid: database, children: true }] });
  } finally {
    await node.stop();
  }
}

const { values } = parseArgs({ options: { write: { type: "string" }, runtime: { type: "string" } } });
const cluster = await PostgresCluster.start({ isDurable: true });
const rows: ReportRow[] = [];
try {
  for (const runtime of ["bun", "node"] as const) {
    if (values.runtime !== undefined && values.runtime !== runtime) continue;
    const bench = new Bench(runtime);
    await bench.bare();
    await withNode(runtime, null, async (target) => {
      await bench.refusals(target);
      await bench.accepted(target, "embedded");
    });
    await withNode(runtime, cluster, (target) => bench.accepted(target, "PostgreSQL"));
    rows.push(...bench.rows);
  }
} finally {
  await cluster.stop();
}
const report = renderReport(rows);
process.stdout.write(report);
if (values.write !== undefined) writeFileSync(values.write, report);
process.exit(rows.some((row) => row.problem !== null) ? 1 : 0);
