/**
 * The ladder's first group: every refusal, and the sold-out latch, beside the bare server of the same runtime.
 *
 * One node with every role on its embedded database, which no refusal here reaches. The load is a closed loop of prepared
 * requests; the bare server is measured before and after every row.
 */
import { randomBytes } from "node:crypto";
import type { Runtime } from "../../test/support/node-process.ts";
import { BareLimit, figuresOf, type LoadTimes } from "./bare-limit.ts";
import { type Deployment, withDeployment } from "./deployment.ts";
import type { LadderRow } from "./ladder-row.ts";
import { type LadderOptions, problemOf } from "./ladder-run.ts";
import type { MeasuredProcess, Measurement } from "./measure.ts";
import { type BenchPath, REFUSED_PATHS } from "./paths.ts";

const CONNECTIONS = 64;

/** Loads a deployment with a path's requests; `more` are processes of whatever stands before it. */
export async function refuse(
  deployment: Deployment,
  path: BenchPath,
  load: LoadTimes & { readonly ports?: readonly number[]; readonly more?: readonly MeasuredProcess[] },
): Promise<Measurement> {
  if (path.sale !== null) await deployment.openSale(path.sale);
  const { count, shape, repeat } = path;
  const saleId = path.sale?.id ?? "no-such-sale";
  const book = { saleId, sku: "seat", count, shape, run: randomBytes(4).toString("hex") };
  return deployment.load({ ...load, book, repeat, connections: CONNECTIONS, ratePerS: null });
}

/** The rows of each runtime: its bare server, then every refusal. */
export async function measureHttp(options: LadderOptions): Promise<readonly LadderRow[]> {
  const rows: LadderRow[] = [];
  const add = (row: LadderRow): void => {
    options.tell(row);
    rows.push(row);
  };
  for (const runtime of options.runtimes) await measureRuntime(runtime, options, add);
  return rows;
}

async function measureRuntime(runtime: Runtime, options: LadderOptions, add: (row: LadderRow) => void): Promise<void> {
  const { warmUpMs, durationMs } = options;
  const times = { warmUpMs, durationMs };
  await BareLimit.during(runtime, times, async (bare) => {
    const alone = await bare.measure();
    const name = `bare server, ${runtime}`;
    const own = { id: `${runtime}/http/bare`, group: "http", name, figures: figuresOf(alone), limit: null } as const;
    add({ ...own, problem: problemOf(alone, ["200"]) });
    await withDeployment({ runtime, ledger: "embedded", apiProcesses: 1 }, async (deployment) => {
      // Before anything counts, the longest way was run so often that its code is compiled.
      const [practice] = REFUSED_PATHS.filter(({ id }) => id === "latch-signed");
      if (practice !== undefined) await refuse(deployment, practice, times);
      for (const path of REFUSED_PATHS) {
        const { result, limit } = await bare.around(() => refuse(deployment, path, times));
        add({
          id: `${runtime}/http/${path.id}`,
          group: "http",
          name: `${path.name}, ${runtime}`,
          figures: figuresOf(result),
          limit: { name, figures: limit },
          problem: problemOf(result, [path.expected]),
        });
      }
    });
  });
}
