/**
 * The ladder's second group: reservations, each of another buyer and durable before its answer, beside the bare server.
 *
 * On the embedded database, on PostgreSQL, and on Redis with `appendfsync always`. The maximum is a closed loop; "at 70 %"
 * is an open loop at that share of the signed maximum, where latency counts from the scheduled instant. On Redis, where an
 * answer waits for two disks one after the other, the maximum is measured once more with four times the connections.
 */
import { randomBytes } from "node:crypto";
import type { Runtime } from "../../test/support/node-process.ts";
import { BareLimit } from "./bare-limit.ts";
import { type Deployment, type LedgerKind, withDeployment } from "./deployment.ts";
import type { LadderRow } from "./ladder-row.ts";
import { goodputOf, type LadderOptions } from "./ladder-run.ts";
import type { Measurement } from "./measure.ts";
import { acceptedPath } from "./paths.ts";

const CONNECTIONS_PER_PROCESS = 256;
/** A crowd's worth for a single item: as many attempts under way as keep both disks busy with large batches. */
const CROWD_CONNECTIONS_PER_PROCESS = 1_024;
/** As long as a few batches take. */
export const BUSY_PAUSE_MS = 20;
const STEADY_SHARE = 0.7;
/** Before anything counts, the whole way was run so often that its code is compiled. */
const PRACTICE_SHARE = 0.25;
const LEDGERS: readonly LedgerKind[] = ["embedded", "postgres", "redis"];
const NAMES: Readonly<Record<LedgerKind, string>> = {
  embedded: "embedded database",
  postgres: "PostgreSQL",
  redis: "Redis, fsync always",
};

/** Reservations on a sale of their own; everything is committed when this resolves, and the figures have what that cost. */
export async function accept(
  deployment: Deployment,
  load: {
    signature: "required" | "optional";
    count: number;
    ratePerS: number | null;
    warmUpMs: number;
    durationMs: number;
    connectionsPerProcess?: number;
  },
): Promise<Measurement> {
  const { signature, count, connectionsPerProcess = CONNECTIONS_PER_PROCESS, ...times } = load;
  const path = acceptedPath(randomBytes(4).toString("hex"), signature, count);
  if (path.sale === null) throw new Error("reservations need a sale");
  await deployment.openSale(path.sale);
  const run = randomBytes(4).toString("hex");
  const book = { saleId: path.sale.id, sku: "seat", count, shape: path.shape, run };
  const connections = connectionsPerProcess * deployment.ports.length;
  const committedIn = [path.sale.id];
  return deployment.load({ ...times, book, repeat: false, connections, busyPauseMs: BUSY_PAUSE_MS, committedIn });
}

/** Rows of each runtime and ledger: unsigned and signed maximum, and signed at 70 %. */
export async function measureAccepted(options: LadderOptions): Promise<readonly LadderRow[]> {
  const rows: LadderRow[] = [];
  for (const runtime of options.runtimes) {
    for (const ledger of LEDGERS) {
      for (const row of await measureLedger(runtime, ledger, options)) rows.push(row);
    }
  }
  return rows;
}

async function measureLedger(
  runtime: Runtime,
  ledger: LedgerKind,
  options: LadderOptions,
): Promise<readonly LadderRow[]> {
  const { warmUpMs, durationMs, countMax: count, tell } = options;
  const rows: LadderRow[] = [];
  const apiProcesses = ledger === "embedded" ? 1 : options.apiProcesses;
  await BareLimit.during(runtime, { warmUpMs, durationMs }, (bare) =>
    withDeployment({ runtime, ledger, apiProcesses }, async (deployment) => {
      const practice = Math.ceil(count * PRACTICE_SHARE);
      await accept(deployment, { signature: "required", count: practice, ratePerS: null, warmUpMs: 0, durationMs });
      const measured = async (
        id: string,
        signature: "required" | "optional",
        ratePerS: number | null,
        connectionsPerProcess = CONNECTIONS_PER_PROCESS,
      ) => {
        const load = { signature, count, ratePerS, warmUpMs, durationMs, connectionsPerProcess };
        const { result, limit } = await bare.around(() => accept(deployment, load));
        const row: LadderRow = {
          id: `${runtime}/accepted/${ledger}-${id}`,
          group: "accepted",
          name: `accepted, ${nameOf(id)}, ${NAMES[ledger]}, ${runtime}`,
          ...goodputOf(result),
          // Of a rate that was chosen no share can be said.
          limit: ratePerS === null ? { name: `bare server, ${runtime}`, figures: limit } : null,
        };
        tell(row);
        rows.push(row);
        return row.figures.perS;
      };
      await measured("unsigned", "optional", null);
      const maximumPerS = await measured("signed", "required", null);
      await measured("signed-steady", "required", maximumPerS * STEADY_SHARE);
      if (ledger === "redis") await measured("signed-crowd", "required", null, CROWD_CONNECTIONS_PER_PROCESS);
    }),
  );
  return rows;
}

function nameOf(id: string): string {
  return id
    .replace("-", ", ")
    .replace("steady", "at 70 %")
    .replace("crowd", `${CROWD_CONNECTIONS_PER_PROCESS.toLocaleString("en-US")} connections`);
}
