/**
 * How throughput and cost grow with processes: 1 to 4 measured on this machine, more of them simulated from what was measured.
 *
 * On a machine with two cores more processes are no more cores: what is looked for here is whether a decision costs more when
 * several processes share one sale. What many machines would do is the simulated fleet's to say (fleet.ts), from the unit
 * costs of this run; its rows and lines are called simulated wherever they are shown.
 */
import { randomBytes } from "node:crypto";
import { figuresOf } from "../bench/bare-limit.ts";
import { withDeployment } from "../bench/deployment.ts";
import { accept } from "../bench/ladder-accepted.ts";
import { refuse } from "../bench/ladder-http.ts";
import type { Figures } from "../bench/ladder-row.ts";
import { goodputOf, LADDER_TIMES, problemOf } from "../bench/ladder-run.ts";
import { measureScripts } from "../bench/ladder-scripts.ts";
import { REFUSED_PATHS } from "../bench/paths.ts";
import { type AxisResult, type GrowthOptions, renderParts, slopeOf, whole } from "./axis.ts";
import { type FleetAnswer, type FleetCosts, simulateFleet } from "./fleet.ts";
import { UNTHROTTLED } from "./subject.ts";

const PROCESSES = { full: [1, 2, 3, 4], smoke: [1, 2] };
const FLEETS = [1, 2, 4, 8, 16, 32, 64];
const POSTGRES_CORES = [4, 16];
const BUYERS_PER_PROCESS = 512;
const WORKER_CORES = 8;
/** Between machines of one room. */
const NETWORK_US = 100;
const BATCH_MAX = 256;
const FLIGHTS_MAX = 2;
const PRACTICE = { full: 20_000, smoke: 500 };

interface MeasuredNodes {
  readonly processes: number;
  readonly refused: Figures;
  readonly accepted: Figures;
}

interface SimulatedNodes {
  readonly nodes: number;
  readonly postgresCores: number;
  readonly answer: FleetAnswer;
}

/** See the head of this file. */
export async function growNodes(options: GrowthOptions): Promise<AxisResult> {
  const measured: MeasuredNodes[] = [];
  for (const processes of PROCESSES[options.isSmoke ? "smoke" : "full"]) {
    const one = await measureNodes(processes, options);
    options.tell(`nodes: ${processes}, ${whole(one.accepted.perS)}/s accepted, ${whole(one.refused.perS)}/s refused`);
    measured.push(one);
  }
  const [first] = measured;
  if (first === undefined) throw new Error("nothing was measured");
  const costs = costsOf(first.accepted, await scriptCosts(options));
  const fleets = FLEETS.flatMap((nodes) =>
    POSTGRES_CORES.map((postgresCores) => ({ nodes, postgresCores, answer: simulate(costs, nodes, postgresCores) })),
  );
  return render(measured, fleets, costs);
}

async function measureNodes(processes: number, options: GrowthOptions): Promise<MeasuredNodes> {
  const { runtime, isSmoke, complain } = options;
  const form = {
    runtime,
    ledger: "redis",
    apiProcesses: processes,
    hasOwnWorker: true,
    settings: UNTHROTTLED,
  } as const;
  return withDeployment(form, async (deployment) => {
    const { warmUpMs, durationMs, countMax: count } = LADDER_TIMES[isSmoke ? "smoke" : "full"];
    const path = REFUSED_PATHS.find(({ id }) => id === "latch-signed");
    if (path?.sale == null) throw new Error("the ladder has no signed latch");
    const practice = { signature: "required", count: PRACTICE[isSmoke ? "smoke" : "full"], ratePerS: null } as const;
    await accept(deployment, { ...practice, warmUpMs: 0, durationMs });
    const own = { ...path, sale: { ...path.sale, id: `gone-${randomBytes(3).toString("hex")}` } };
    const refusedRun = await refuse(deployment, own, { warmUpMs, durationMs });
    const acceptedRun = goodputOf(
      await accept(deployment, { signature: "required", count, ratePerS: null, warmUpMs, durationMs }),
    );
    for (const problem of [problemOf(refusedRun, [path.expected]), acceptedRun.problem]) {
      if (problem !== null) complain(`${processes} nodes: ${problem}`);
    }
    return { processes, refused: figuresOf(refusedRun), accepted: acceptedRun.figures };
  });
}

/** What Redis spends on a call and on a unit of it: the straight line through batches of several sizes. */
async function scriptCosts(options: GrowthOptions): Promise<{ redisCallUs: number; redisUnitUs: number }> {
  const times = LADDER_TIMES[options.isSmoke ? "smoke" : "gate"];
  const rows = await measureScripts({ ...times, runtimes: [], apiProcesses: 1, tell: () => undefined });
  const points = rows.flatMap(({ id, figures }) => {
    const batch = Number(/reserve-(\d+)$/.exec(id)?.[1]);
    return Number.isNaN(batch) ? [] : [[batch, figures.cpuUs * batch] as const];
  });
  const redisUnitUs = slopeOf(points);
  const [[batch = 1, callUs = 0] = []] = points;
  return { redisUnitUs, redisCallUs: Math.max(0, callUs - redisUnitUs * batch) };
}

/** What Redis did beyond the script (the stream's readers, hints of commits) is put onto each unit. */
function costsOf({ cpuUsByPart }: Figures, script: { redisCallUs: number; redisUnitUs: number }): FleetCosts {
  const { nodes = 0, workers = 0, postgres = 0, redis = 0 } = cpuUsByPart;
  const { redisCallUs } = script;
  const redisUnitUs = Math.max(script.redisUnitUs, redis - redisCallUs / BATCH_MAX);
  return { nodeUs: nodes, workerUs: workers, postgresUs: postgres, networkUs: NETWORK_US, redisCallUs, redisUnitUs };
}

function simulate(costs: FleetCosts, nodes: number, postgresCores: number): FleetAnswer {
  const batches = { batchMax: BATCH_MAX, flightsMax: FLIGHTS_MAX };
  return simulateFleet(costs, {
    nodes,
    buyersPerNode: BUYERS_PER_PROCESS,
    workerCores: WORKER_CORES,
    postgresCores,
    ...batches,
  });
}

function render(measured: readonly MeasuredNodes[], fleets: readonly SimulatedNodes[], costs: FleetCosts): AxisResult {
  const burst = fleets.filter(({ postgresCores }) => postgresCores === POSTGRES_CORES[0]);
  const inputs = `node ${costs.nodeUs.toFixed(1)}, worker ${costs.workerUs.toFixed(1)}, PostgreSQL ${costs.postgresUs.toFixed(1)} µs an order, Redis ${costs.redisCallUs.toFixed(1)} µs a call and ${costs.redisUnitUs.toFixed(2)} µs a unit`;
  return {
    axis: "nodes",
    title: "Nodes",
    charts: [
      {
        title: "Measured: cost of a decision over API processes",
        unitX: "processes on this machine",
        unitY: "CPU µs per decision",
        series: [
          { name: "refused", points: measured.map(({ processes, refused }) => [processes, refused.cpuUs] as const) },
          { name: "accepted", points: measured.map(({ processes, accepted }) => [processes, accepted.cpuUs] as const) },
        ],
      },
      {
        title: "Simulated from measured unit costs: accepted over API processes",
        unitX: "processes, each with a core of its own",
        unitY: "accepted per second",
        logX: true,
        logY: true,
        series: [
          {
            name: "burst (nodes and one Redis)",
            points: burst.map(({ nodes, answer }) => [nodes, answer.burstPerS] as const),
          },
          ...POSTGRES_CORES.map((cores) => ({
            name: `sustained, ${cores} cores of PostgreSQL`,
            points: fleets
              .filter(({ postgresCores }) => postgresCores === cores)
              .map(({ nodes, answer }) => [nodes, answer.sustainedPerS] as const),
          })),
        ],
      },
    ],
    table: tableOf(measured, fleets),
    verdicts: [],
    notes: [
      `Simulated rows are no measurement. Their inputs were measured in this run: ${inputs}. Assumed: ${NETWORK_US} µs one way between machines, ${BUYERS_PER_PROCESS} buyers at each process who ask again at once, ${WORKER_CORES} cores of workers, and no other limit than these.`,
      "Refusals need neither Redis nor PostgreSQL: their rate grows with the cores of the nodes.",
    ],
    figures: {
      ...costs,
      refusedNodeUs: measured[0]?.refused.cpuUsByPart["nodes"] ?? Number.NaN,
      acceptedCpuUs: measured[0]?.accepted.cpuUs ?? Number.NaN,
    },
  };
}

function tableOf(measured: readonly MeasuredNodes[], fleets: readonly SimulatedNodes[]): AxisResult["table"] {
  return {
    head: ["API processes", "how", "accepted/s", "refused/s", "CPU µs accepted", "of these", "limited by"],
    rows: [
      ...measured.map(({ processes, refused, accepted }) => [
        String(processes),
        "measured",
        whole(accepted.perS),
        whole(refused.perS),
        accepted.cpuUs.toFixed(1),
        renderParts(accepted),
        "the cores of this machine",
      ]),
      ...fleets.map(({ nodes, postgresCores, answer }) => [
        String(nodes),
        `simulated, ${postgresCores} cores of PostgreSQL`,
        `${whole(answer.sustainedPerS)}, ${whole(answer.burstPerS)} in a burst`,
        "–",
        "–",
        `batches of ${answer.meanBatch.toFixed(0)}, Redis ${Math.round(answer.redisBusy * 100)} % busy`,
        answer.limitedBy,
      ]),
    ],
  };
}
