/**
 * `npm run swarm:wrk`: the swarm beside wrk on the same endpoint of the same node, in turns, in one run.
 *
 * A generator that nobody checked measures itself. wrk is a closed loop, so the swarm plays one here: everything is due at
 * once, every connection sends as soon as it was answered, and latency counts from the sending. Compared are answers per
 * second and the median; they have to agree within a tenth. Ends with 1 when they do not.
 */
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { NodeProcess } from "../../test/support/node-process.ts";
import { OPEN_LIMITS } from "../../test/support/open-limits.ts";
import { addressText } from "./generator/identities.ts";
import { parseScenario } from "./generator/scenario.ts";
import { runSwarm } from "./generator/swarm.ts";
import { OperatorClient } from "./operator-client.ts";
import { createSystemClock } from "./system-clock.ts";

const AGREEMENT_SHARE = 0.1;
const REQUESTS = 2_000_000;
/** Both need a moment until their code is compiled and their connections are open. */
const WARM_UP_S = 2;

interface Measured {
  readonly perS: number;
  readonly latencyMsP50: number;
}

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "64" },
    seconds: { type: "string", default: "6" },
    rounds: { type: "string", default: "3" },
  },
});
const connections = Number(values.connections);
const seconds = Number(values.seconds);
const clock = createSystemClock();

/** Everything due at once: as fast as it is answered. */
function closedLoop(): ReturnType<typeof parseScenario> {
  const scrapers = { kind: "scraper", count: REQUESTS, actors: 1, arrivals: { curve: "steady", durationMs: 1 } };
  const scenario = {
    name: "closed-loop",
    connections: { max: connections },
    patienceMs: (WARM_UP_S + seconds + 1) * 1_000,
    populations: { scrapers },
  };
  return parseScenario(JSON.stringify(scenario), "closed loop");
}

async function measureSwarm(node: NodeProcess, saleId: string): Promise<Measured> {
  const result = await runSwarm({
    scenario: closedLoop(),
    targets: [{ hostname: "127.0.0.1", port: node.buyerPort }],
    operator: new OperatorClient({ address: node.adminUrl, token: node.adminToken }),
    secret: node.secret,
    saleId,
    countsFrom: "sending",
    clock,
  });
  const whole = result.seconds.slice(WARM_UP_S, WARM_UP_S + seconds);
  const answers = whole.reduce((sum, { outcomes }) => sum + (outcomes["look: done"] ?? 0), 0);
  const { p50 = Number.NaN } = result.latencyMs.byPopulation["scrapers"] ?? {};
  return { perS: answers / whole.length, latencyMsP50: p50 };
}

async function measureWrk(node: NodeProcess, saleId: string, forS = seconds): Promise<Measured> {
  const header = `X-Forwarded-For: ${addressText(0)}`;
  const flags = ["-t1", `-c${connections}`, `-d${forS}s`, "--latency", "-H", header];
  const text = await outputOf("wrk", [...flags, `${node.buyerUrl}/v1/sales/${saleId}`]);
  const perS = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const median = /50%\s+([\d.]+)(us|ms|s)/.exec(text);
  const unitMs = { us: 0.001, ms: 1, s: 1_000 }[median?.[2] ?? "ms"] ?? 1;
  if (!(perS > 0) || /Non-2xx/.test(text)) throw new Error(`wrk was not answered as expected:\n${text}`);
  return { perS, latencyMsP50: Number(median?.[1]) * unitMs };
}

function outputOf(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) =>
      reject(new Error(`${program} is needed: apt-get install ${program}`, { cause: error })),
    );
    child.once("close", () => resolve(output));
  });
}

function mean(all: readonly Measured[]): Measured {
  const of = (value: (one: Measured) => number): number => all.reduce((sum, one) => sum + value(one), 0) / all.length;
  return { perS: of((one) => one.perS), latencyMsP50: of((one) => one.latencyMsP50) };
}

const env = { ...OPEN_LIMITS, TRUSTED_PROXIES: "127.0.0.1/32", LOG_LEVEL: "warn" };
const node = await NodeProcess.start({ runtime: "bun", databaseUrl: null, env });
let isAgreed = false;
try {
  const operator = new OperatorClient({ address: node.adminUrl, token: node.adminToken });
  const nowMs = clock.nowMs();
  const { id } = await operator.createSale({
    name: "Agreement",
    opensAt: nowMs - 1_000,
    closesAt: nowMs + 3_600_000,
    holdMs: 600_000,
    perBuyerMax: 1,
    items: [{ sku: "seat", name: "A seat", price: { amount: 4_900, currency: "EUR" }, stock: 100, perBuyerMax: 1 }],
  });
  await measureWrk(node, id, WARM_UP_S);
  const [ours, theirs]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    theirs.push(await measureWrk(node, id));
    ours.push(await measureSwarm(node, id));
  }
  const [swarm, wrk] = [mean(ours), mean(theirs)];
  const [perS, median] = [swarm.perS / wrk.perS, swarm.latencyMsP50 / wrk.latencyMsP50];
  const line = (name: string, one: Measured): string =>
    `${name.padEnd(6)}${Math.round(one.perS).toString().padStart(8)}/s  median ${one.latencyMsP50.toFixed(3)} ms`;
  process.stdout.write(
    `GET /v1/sales/{id}, ${connections} connections, ${seconds} s, ${values.rounds} rounds in turns\n`,
  );
  process.stdout.write(
    `${line("wrk", wrk)}\n${line("swarm", swarm)}\nratio ${perS.toFixed(3)}, of medians ${median.toFixed(3)}\n`,
  );
  isAgreed = [perS, median].every((ratio) => Math.abs(ratio - 1) <= AGREEMENT_SHARE);
} finally {
  await node.stop();
}
process.exit(isAgreed ? 0 : 1);
