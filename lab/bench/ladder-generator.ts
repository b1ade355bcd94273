/**
 * The ladder's last group: our load generators beside `wrk` on the same endpoint: do they see the same server?
 *
 * Closed loop, as many connections, the same request each time: the bare server, and a node's first refusal. The ratio of a row is
 * what ours sees over what wrk sees, the mean of wrk before and after; a generator that sees less was the bottleneck.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../../test/support/node-process.ts";
import { BareLimit, figuresOf, type LoadTimes } from "./bare-limit.ts";
import { withDeployment } from "./deployment.ts";
import { refuse } from "./ladder-http.ts";
import { type Figures, type LadderRow, meanFigures } from "./ladder-row.ts";
import { type LadderOptions, problemOf } from "./ladder-run.ts";
import type { Measurement } from "./measure.ts";
import { REFUSED_PATHS } from "./paths.ts";
import { cpuMsOf } from "./processor-time.ts";
import { buildRequests } from "./request-book.ts";
import { withSwarm } from "./swarm-load.ts";
import { runTool } from "./tool.ts";

const CONNECTIONS = 64;
const MS_BY_UNIT: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 };

/** Each endpoint on the first runtime: wrk, ours, wrk. */
export async function measureGenerator(options: LadderOptions): Promise<readonly LadderRow[]> {
  const [runtime = "bun"] = options.runtimes;
  const { warmUpMs, durationMs, tell } = options;
  const times = { warmUpMs, durationMs };
  const rows = [
    await besideBare(runtime, times),
    await besideRefusal(runtime, times),
    await withSwarm({ runtime, ...times }, async ({ port, pid, request, ours }) => {
      const wrk = (): Promise<Figures> => runWrk({ port, pid, request, ...times });
      const before = await wrk();
      const { figures, problem } = await ours();
      const limit = { name: "wrk, a sale's document", figures: meanFigures([before, await wrk()]) };
      const name = "swarm, a sale's document";
      return { id: "swarm/generator/look", group: "generator", name, figures, limit, problem } as const;
    }),
  ];
  for (const row of rows) tell(row);
  return rows;
}

async function besideBare(runtime: Runtime, times: LoadTimes): Promise<LadderRow> {
  return BareLimit.during(runtime, times, async (bare) => {
    const request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const wrk = (): Promise<Figures> => runWrk({ port: bare.port, pid: bare.pid, request, ...times });
    return compared("bare", "bare server", ["200"], { wrk, ours: () => bare.measure() });
  });
}

async function besideRefusal(runtime: Runtime, times: LoadTimes): Promise<LadderRow> {
  const path = REFUSED_PATHS.find(({ id }) => id === "no-session");
  if (path?.sale == null) throw new Error("the ladder has no refusal without a session");
  const { sale, shape, expected } = path;
  return withDeployment({ runtime, ledger: "embedded", apiProcesses: 1 }, async (deployment) => {
    await deployment.openSale(sale);
    const book = { secret: deployment.secret, saleId: sale.id, sku: "seat", count: 1, shape, run: "wrk" };
    const [request = ""] = buildRequests(book).map(String);
    const [port = 0] = deployment.ports;
    const pid = deployment.nodes[0]?.pid ?? 0;
    const wrk = (): Promise<Figures> => runWrk({ port, pid, request, ...times });
    return compared("no-session", "no session", [expected], { wrk, ours: () => refuse(deployment, path, times) });
  });
}

async function compared(
  id: string,
  name: string,
  expected: readonly string[],
  runs: { wrk: () => Promise<Figures>; ours: () => Promise<Measurement> },
): Promise<LadderRow> {
  const before = await runs.wrk();
  const ours = await runs.ours();
  const limit = { name: `wrk, ${name}`, figures: meanFigures([before, await runs.wrk()]) };
  const problem = problemOf(ours, expected);
  return {
    id: `blaster/generator/${id}`,
    group: "generator",
    name: `blaster, ${name}`,
    figures: figuresOf(ours),
    limit,
    problem,
  };
}

/** One thread of wrk that sends the request as it is; latencies are the server's answers without a schedule. */
async function runWrk(task: LoadTimes & { port: number; pid: number; request: string }): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-wrk-"));
  try {
    const script = join(folder, "request.lua");
    writeFileSync(script, `local text = ${quoted(task.request)}\nrequest = function() return text end\n`);
    const where = `http://127.0.0.1:${task.port}/`;
    const load = async (durationMs: number): Promise<string> => {
      // Whole seconds are all that wrk knows.
      const seconds = Math.max(1, Math.round(durationMs / 1_000));
      const args = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "-s", script, "--latency", where];
      return runTool("wrk", args);
    };
    await load(task.warmUpMs);
    const beforeMs = cpuMsOf(task.pid, { children: false });
    const report = await load(task.durationMs);
    return readWrk(report, cpuMsOf(task.pid, { children: false }) - beforeMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What wrk printed, and what the server took meanwhile. */
export function readWrk(report: string, cpuMs: number): Figures {
  const perS = Number(/Requests\/sec:\s+([\d.]+)/.exec(report)?.[1]);
  const count = Number(/(\d+) requests in/.exec(report)?.[1]);
  const latencyMs = (percent: number): number => {
    const [, value, unit = ""] = new RegExp(`\\n\\s+${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(report) ?? [];
    return Number(value) * (MS_BY_UNIT[unit] ?? Number.NaN);
  };
  if (!(perS > 0 && count > 0)) throw new Error(`wrk printed something else:\n${report}`);
  const cpuUs = (cpuMs * 1_000) / count;
  return { perS, cpuUs, cpuUsByPart: { nodes: cpuUs }, latencyMsP50: latencyMs(50), latencyMsP99: latencyMs(99) };
}

/** A text as Lua reads it. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replaceAll("\r", "\\r").replaceAll("\n", "\\n")}"`;
}
