/**
 * The ladder's fifth group: nginx in front of the nodes, beside nginx that answers by itself.
 *
 * The same nginx program with the same bounds: a fixed text (its limit), the bare server behind it, a node's latch refusal
 * behind it. Processor time is nginx's and that of what stands behind it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { takeFreePort } from "../../test/support/ports.ts";
import { answers, ChildProgram } from "../stack/child-program.ts";
import { nginxConfiguration } from "../stack/nginx.ts";
import { findServerPrograms } from "../stack/programs.ts";
import { BareLimit, figuresOf, type LoadTimes } from "./bare-limit.ts";
import { withDeployment } from "./deployment.ts";
import { refuse } from "./ladder-http.ts";
import { type Figures, type LadderRow, meanFigures } from "./ladder-row.ts";
import { type LadderOptions, problemOf } from "./ladder-run.ts";
import { type MeasuredProcess, type Measurement, measure } from "./measure.ts";
import { REFUSED_PATHS } from "./paths.ts";

const CONNECTIONS = 64;
const READY_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 5_000;

/** Nginx alone, before the bare server, and before a node. */
export async function measureProxy(options: LadderOptions): Promise<readonly LadderRow[]> {
  const rows: LadderRow[] = [];
  const add = (row: LadderRow): void => {
    options.tell(row);
    rows.push(row);
  };
  const name = "nginx, a fixed text";
  const { warmUpMs, durationMs } = options;
  const times = { warmUpMs, durationMs };
  await withNginx([], async (alone) => {
    const fixed = async (): Promise<Measurement> => plain(alone.port, [alone.process], times);
    const first = await fixed();
    const own = { id: "nginx/proxy/static", group: "proxy", name, figures: figuresOf(first), limit: null } as const;
    add({ ...own, problem: problemOf(first, ["200"]) });
    let before = figuresOf(first);
    const limitAfter = async (): Promise<Figures> => {
      const after = figuresOf(await fixed());
      const limit = meanFigures([before, after]);
      before = after;
      return limit;
    };
    for (const runtime of options.runtimes) {
      const behind = await measureBare(runtime, times);
      add({
        id: `${runtime}/proxy/bare`,
        group: "proxy",
        name: `nginx before the bare server, ${runtime}`,
        figures: figuresOf(behind),
        limit: { name, figures: await limitAfter() },
        problem: problemOf(behind, ["200"]),
      });
      const latch = await measureLatch(runtime, times);
      add({
        id: `${runtime}/proxy/latch`,
        group: "proxy",
        name: `nginx before a node, latch refusal, ${runtime}`,
        figures: figuresOf(latch),
        limit: { name, figures: await limitAfter() },
        problem: problemOf(latch, ["empty"]),
      });
    }
  });
  return rows;
}

async function measureBare(runtime: LadderOptions["runtimes"][number], times: LoadTimes): Promise<Measurement> {
  return BareLimit.during(runtime, times, (bare) =>
    withNginx([bare.port], (nginx) => {
      const processes = [nginx.process, { pid: bare.pid, children: false, part: "nodes" }];
      return plain(nginx.port, processes, times);
    }),
  );
}

async function measureLatch(runtime: LadderOptions["runtimes"][number], times: LoadTimes): Promise<Measurement> {
  const path = REFUSED_PATHS.find(({ id }) => id === "latch");
  if (path === undefined) throw new Error("the ladder has no latch");
  return withDeployment({ runtime, ledger: "embedded", apiProcesses: 1 }, (deployment) =>
    withNginx(deployment.ports, (nginx) =>
      refuse(deployment, path, { ...times, ports: [nginx.port], more: [nginx.process] }),
    ),
  );
}

function plain(port: number, processes: readonly MeasuredProcess[], times: LoadTimes): Promise<Measurement> {
  const task = { ports: [port], book: null, repeat: true, connections: CONNECTIONS, ratePerS: null };
  return measure({ ...task, ...times }, processes);
}

interface RunningNginx {
  readonly port: number;
  readonly process: MeasuredProcess;
}

/** Without ports behind it, nginx answers by itself. */
async function withNginx<Result>(
  nodePorts: readonly number[],
  work: (nginx: RunningNginx) => Promise<Result>,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-nginx-"));
  const port = await takeFreePort();
  mkdirSync(join(folder, "temporary"));
  const file = join(folder, "nginx.conf");
  const isRoot = process.getuid?.() === 0;
  const proxying = nginxConfiguration({ port, nodePorts: nodePorts.length === 0 ? [port] : nodePorts, folder, isRoot });
  // The same file but for who answers: what is told apart is the proxying alone.
  const fixed = proxying.replace(/location \/ \{[^}]*\}/, 'location / { return 200 "hello"; }');
  writeFileSync(file, nodePorts.length === 0 ? fixed : proxying);
  const args = ["-c", file, "-p", folder, "-e", join(folder, "error.log")];
  const command = findServerPrograms(process.env["PATH"] ?? "").nginx;
  const nginx = new ChildProgram({ name: "nginx", command, args, clock: createSystemClock(), exitSignal: "SIGTERM" });
  try {
    const status = nodePorts.length === 0 ? [200] : [200, 404];
    await nginx.untilReady(async () => {
      for (const each of status) if (await answers(`http://127.0.0.1:${port}/`, each)) return true;
      return false;
    }, READY_WITHIN_MS);
    return await work({ port, process: { pid: nginx.pid, children: true, part: "nginx" } });
  } finally {
    await nginx.stop({ signal: "SIGTERM", withinMs: STOP_WITHIN_MS });
    rmSync(folder, { recursive: true, force: true });
  }
}
