/**
 * `doorbuster swarm` as a closed loop on one endpoint, so that it can be put beside wrk: everything is due at once, each
 * connection sends as soon as it was answered, and latency counts from the sending.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import type { Runtime } from "../../test/support/node-process.ts";
import { addressText } from "../swarm/generator/identities.ts";
import { parseScenario } from "../swarm/generator/scenario.ts";
import { runSwarm } from "../swarm/generator/swarm.ts";
import { OperatorClient } from "../swarm/operator-client.ts";
import { withDeployment } from "./deployment.ts";
import type { Figures } from "./ladder-row.ts";
import { cpuMsOf } from "./processor-time.ts";

const CONNECTIONS = 64;
const SALE_ID = "looked-at";
const MS_PER_S = 1_000;
/** Whole seconds are what the swarm counts by; its first and its last are not like the others. */
const SECONDS_MIN = 2;
/** More than any node answers. */
const REQUESTS_PER_S_MAX = 150_000;
const LOOKED = "look: done";

export interface SwarmLoad {
  readonly port: number;
  readonly pid: number;
  /** What each of the swarm's requests is, for others to send. */
  readonly request: string;
  readonly ours: () => Promise<{ readonly figures: Figures; readonly problem: string | null }>;
}

/** Starts a node with a sale for the work. */
export function withSwarm<Result>(
  options: { readonly runtime: Runtime; readonly durationMs: number },
  work: (load: SwarmLoad) => Promise<Result>,
): Promise<Result> {
  const settings = { TRUSTED_PROXIES: "127.0.0.1/32" };
  return withDeployment(
    { runtime: options.runtime, ledger: "embedded", apiProcesses: 1, settings },
    async (deployment) => {
      await deployment.openSale({ id: SALE_ID, signature: "optional", stock: 100, opensInMs: -1_000, isTaken: false });
      const [node] = deployment.nodes;
      if (node === undefined) throw new Error("a deployment without nodes");
      const seconds = Math.max(SECONDS_MIN, Math.round(options.durationMs / MS_PER_S));
      const { buyerPort: port, pid } = node;
      const lines = [`GET /v1/sales/${SALE_ID} HTTP/1.1`, "Host: 127.0.0.1", `X-Forwarded-For: ${addressText(0)}`];
      const request = `${lines.join("\r\n")}\r\n\r\n`;
      return work({ port, pid, request, ours: () => look(node, seconds) });
    },
  );
}

async function look(
  node: { buyerPort: number; pid: number; adminUrl: string; adminToken: string; secret: string },
  seconds: number,
): Promise<{ readonly figures: Figures; readonly problem: string | null }> {
  const beforeMs = cpuMsOf(node.pid, { children: false });
  const result = await runSwarm({
    scenario: closedLoop(seconds),
    targets: [{ hostname: "127.0.0.1", port: node.buyerPort }],
    operator: new OperatorClient({ address: node.adminUrl, token: node.adminToken }),
    secret: node.secret,
    saleId: SALE_ID,
    countsFrom: "sending",
    clock: createSystemClock(),
  });
  const cpuUs = ((cpuMsOf(node.pid, { children: false }) - beforeMs) * 1_000) / result.requests.answered;
  const whole = result.seconds.slice(1, seconds);
  const answers = whole.reduce((sum, { outcomes }) => sum + (outcomes[LOOKED] ?? 0), 0);
  const { p50 = Number.NaN, p99 = Number.NaN } = result.latencyMs.byPopulation["scrapers"] ?? {};
  const others = whole.flatMap(({ outcomes }) => Object.keys(outcomes)).filter((outcome) => outcome !== LOOKED);
  return {
    figures: {
      perS: answers / whole.length,
      cpuUs,
      cpuUsByPart: { nodes: cpuUs },
      latencyMsP50: p50,
      latencyMsP99: p99,
    },
    problem:
      answers > 0 && others.length === 0 ? null : `expected only ${LOOKED}, got ${[...new Set(others)].join(", ")}`,
  };
}

function closedLoop(seconds: number): ReturnType<typeof parseScenario> {
  const arrivals = { curve: "steady", durationMs: 1 };
  const count = REQUESTS_PER_S_MAX * (seconds + 1);
  const scenario = {
    name: "closed-loop",
    connections: { max: CONNECTIONS },
    patienceMs: (seconds + 1) * MS_PER_S,
    populations: { scrapers: { kind: "scraper", count, actors: 1, arrivals } },
  };
  return parseScenario(JSON.stringify(scenario), "closed loop");
}
