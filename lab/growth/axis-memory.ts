/**
 * What memory grows with: buyers seen, sessions, reservations, open event streams.
 *
 * Each is grown in equal steps on a deployment of its own, after practice; the figure is the slope of the straight line
 * through the steps, so what the process has from the beginning does not count. What is bounded flattens out: the curves show it.
 */

import type { Deployment } from "../bench/deployment.ts";
import { withDeployment } from "../bench/deployment.ts";
import { type AxisResult, type GrowthOptions, slopeOf, whole } from "./axis.ts";
import { EventStreams } from "./event-streams.ts";
import { residentBytesOfPart } from "./process-sample.ts";
import { type Kind, Subject, UNTHROTTLED } from "./subject.ts";

const STEPS = { full: 6, smoke: 3 };
const MIB = 1_048_576;
/** Nothing is let go at once: the last of so many looks counts. */
const LOOKS = 5;
const LOOK_INTERVAL_MS = 400;

type Part = "nodes" | "redis" | "postgres";

interface Growing {
  readonly name: string;
  readonly stepSize: { readonly full: number; readonly smoke: number };
  readonly parts: readonly Part[];
  readonly kind: Kind;
  readonly sessionsPerBuyer?: number;
}

interface Grown {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly steps: readonly { readonly count: number; readonly bytes: Readonly<Record<Part, number>> }[];
}

const GROWING: readonly Growing[] = [
  { name: "buyer seen", stepSize: { full: 50_000, smoke: 500 }, parts: ["nodes"], kind: "refused" },
  {
    name: "session",
    stepSize: { full: 50_000, smoke: 500 },
    parts: ["nodes"],
    kind: "refused",
    sessionsPerBuyer: 1_000,
  },
  {
    name: "reservation",
    stepSize: { full: 40_000, smoke: 500 },
    parts: ["nodes", "redis", "postgres"],
    kind: "accepted",
  },
];
const STREAMS_PER_STEP = { full: 1_000, smoke: 50 };

/** See the head of this file. */
export async function growMemory(options: GrowthOptions): Promise<AxisResult> {
  const grown: Grown[] = [];
  for (const one of GROWING) grown.push(await growOne(one, options));
  grown.push(await growStreams(options));
  const slopes = grown.flatMap(({ name, parts, steps }) =>
    parts.map((part) => ({
      name,
      part,
      bytes: slopeOf(steps.map(({ count, bytes }) => [count, bytes[part]] as const)),
    })),
  );
  return {
    axis: "memory",
    title: "Memory",
    charts: grown.map(({ name, parts, steps }) => ({
      title: `Memory over ${name}s`,
      unitX: `${name}s`,
      unitY: "MiB",
      series: parts.map((part) => ({
        name: part,
        points: steps.map(({ count, bytes }) => [count, bytes[part] / MIB] as const),
      })),
    })),
    table: {
      head: ["of each", "where", "bytes"],
      rows: slopes.map(({ name, part, bytes }) => [name, WHERE[part], whole(bytes)]),
    },
    verdicts: [],
    notes: [
      "Buyers seen and sessions are kept in tables of a fixed size: beyond it the oldest go, and the curve ends to rise.",
      "A session itself is signed and kept nowhere; what is counted is what a node remembers of having seen it.",
    ],
    figures: Object.fromEntries(slopes.map(({ name, part, bytes }) => [`${name}, ${part}, bytes`, bytes])),
  };
}

const WHERE: Readonly<Record<Part, string>> = {
  nodes: "resident memory of the node",
  redis: "memory in use of Redis",
  postgres: "size of the database",
};

async function growOne(one: Growing, options: GrowthOptions): Promise<Grown> {
  const scale = options.isSmoke ? "smoke" : "full";
  const { runtime, ledger, tell } = options;
  return withDeployment({ runtime, ledger, apiProcesses: 1, settings: UNTHROTTLED }, async (deployment) => {
    const { sessionsPerBuyer } = one;
    const more = sessionsPerBuyer === undefined ? {} : { sessionsPerBuyer };
    const subject = await Subject.open(deployment, { kind: one.kind, sales: 1, items: 1, ...more }, options);
    const steps = [{ count: 0, bytes: await weigh(deployment) }];
    for (let step = 1; step <= STEPS[scale]; step += 1) {
      await subject.send(one.stepSize[scale]);
      // Not what was asked for: a step may have been sent again to others, and some of it turned away.
      steps.push({ count: subject.decided, bytes: await weigh(deployment) });
    }
    tell(`memory: ${one.name}, ${steps.map(({ bytes }) => whole(bytes.nodes / MIB)).join(", ")} MiB`);
    return { name: one.name, parts: one.parts.filter((part) => part !== "redis" || ledger === "redis"), steps };
  });
}

async function growStreams(options: GrowthOptions): Promise<Grown> {
  const scale = options.isSmoke ? "smoke" : "full";
  const { runtime, ledger, tell } = options;
  return withDeployment({ runtime, ledger, apiProcesses: 1, settings: UNTHROTTLED }, async (deployment) => {
    const streams = new EventStreams({ port: deployment.ports[0] ?? 0, secret: deployment.secret });
    try {
      // The first are practice.
      await streams.open(STREAMS_PER_STEP[scale]);
      const steps = [{ count: 0, bytes: await weigh(deployment) }];
      for (let step = 1; step <= STEPS[scale]; step += 1) {
        await streams.open(STREAMS_PER_STEP[scale]);
        steps.push({ count: step * STREAMS_PER_STEP[scale], bytes: await weigh(deployment) });
      }
      tell(`memory: event stream, ${steps.map(({ bytes }) => whole(bytes.nodes / MIB)).join(", ")} MiB`);
      return { name: "event stream", parts: ["nodes"], steps };
    } finally {
      streams.close();
    }
  });
}

/** What each part holds once it has settled: the least of some looks, because garbage is no growth. */
async function weigh(deployment: Deployment): Promise<Readonly<Record<Part, number>>> {
  let nodes = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS; look += 1) {
    nodes = Math.min(nodes, residentBytesOfPart(deployment, "nodes"));
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }
  const memory = String((await deployment.redis?.call("INFO", "memory")) ?? "");
  return {
    nodes,
    redis: Number(/^used_memory:(\d+)/m.exec(memory)?.[1] ?? 0),
    postgres: await databaseBytes(deployment),
  };
}

async function databaseBytes({ postgres, databaseUrl }: Deployment): Promise<number> {
  if (postgres === null || databaseUrl === null) return 0;
  const [row] = await postgres.query<{ bytes: string }>(
    databaseUrl,
    "select pg_database_size(current_database()) as bytes",
  );
  return Number(row?.bytes ?? 0);
}
