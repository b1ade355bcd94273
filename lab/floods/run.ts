/**
 * One node, honest buyers, and one flood after the other: what the node's memory and the buyers' waiting did.
 *
 * Quiet, flood, quiet again. Memory is the node's resident memory, sampled each second; it must stay near what it was and
 * come back to it. The floods' bounds are the same for a short run as for a million requests, because nothing in the node
 * may depend on how many there were.
 */
import { join } from "node:path";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { NodeProcess, type Runtime } from "../../test/support/node-process.ts";
import { Operator, seat } from "../../test/support/operator-client.ts";
import type { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { runOnBun } from "../bench/measure.ts";
import { residentBytesOf } from "../swarm/process-memory.ts";
import type { FloodResult } from "./flood.ts";
import { FLOOD_KINDS } from "./flood-requests.ts";
import type { FloodTask } from "./flood-sender.ts";
import { holdHalfOpen } from "./half-open.ts";
import { type HonestResult, sendHonestBuyers } from "./honest-buyers.ts";

export interface FloodRunOptions {
  readonly runtime: Runtime;
  readonly cluster: PostgresCluster;
  readonly kinds: readonly AttackKind[];
  readonly count: number;
  /** Sent before anything is measured: what the runtime needs to get going is not what the flood costs. */
  readonly warmUpCount: number;
  readonly ratePerS: number;
  readonly honestPerS: number;
  readonly quietMs: number;
  /** How long the node may take to give memory back. */
  readonly returnWithinMs: number;
  /** The node has an edge Redis, which is ended when the first flood begins. */
  readonly killsEdge?: boolean;
  /** Hears what is being done; a flood takes minutes. */
  readonly tell?: (text: string) => void;
}

/** What a node can be attacked with here. */
export const ATTACK_KINDS = [...FLOOD_KINDS, "half-open"] as const;
export type AttackKind = (typeof ATTACK_KINDS)[number];

export interface FloodRow {
  readonly kind: AttackKind;
  readonly flood: FloodResult;
  readonly quiet: HonestResult;
  readonly flooded: HonestResult;
  readonly startBytes: number;
  readonly peakBytes: number;
  readonly endBytes: number;
}

/** The node may grow by so much, and must come back to within half of it: runtimes keep some room for the next time. */
export const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
export const LEFT_BYTES_MAX = GROWTH_BYTES_MAX / 2;
/** Making a session costs several times as much as refusing a forged one: fewer of those are a flood. */
const SHARE_OF: Readonly<Record<AttackKind, number>> = { forged: 1, addresses: 1, sessions: 0.2, "half-open": 1 };
const SAMPLE_INTERVAL_MS = 1_000;
const STOCK = 1_000_000;
const HALF_OPEN_SOCKETS = 2_000;
/** How much longer honest buyers may wait than when it is quiet. */
const WAIT_FACTOR_MAX: Readonly<Record<AttackKind, number>> = {
  forged: 2,
  addresses: 2,
  sessions: 2,
  "half-open": 1.2,
};

const clock = createSystemClock();

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });
}

function sendFlood(task: FloodTask): Promise<FloodResult> {
  return runOnBun<FloodResult>(join(import.meta.dirname, "flood-sender.ts"), task);
}

/** Runs all floods against one node. */
export async function runFloods(options: FloodRunOptions): Promise<readonly FloodRow[]> {
  const edge = options.killsEdge ? await RedisServer.start({ appendOnly: false }) : null;
  try {
    const node = await NodeProcess.start({
      runtime: options.runtime,
      databaseUrl: await options.cluster.createDatabase(),
      env: {
        TRUSTED_PROXIES: "127.0.0.0/8",
        LOG_LEVEL: "warn",
        ...(edge === null ? {} : { EDGE_REDIS_URL: edge.url }),
      },
    });
    try {
      return await floodEach(options, node, edge);
    } finally {
      await node.stop();
    }
  } finally {
    await edge?.stop();
  }
}

async function floodEach(
  options: FloodRunOptions,
  node: NodeProcess,
  edge: RedisServer | null,
): Promise<readonly FloodRow[]> {
  const item = await new Operator(node).createSale({ items: [seat({ stock: STOCK })], signature: "optional" }, [
    node.buyerUrl,
  ]);
  const rows: FloodRow[] = [];
  for (const kind of options.kinds) rows.push(await runFlood(options, { node, item, kind, edge }));
  return rows;
}

async function runFlood(
  options: FloodRunOptions,
  scene: { node: NodeProcess; item: { saleId: string; sku: string }; kind: AttackKind; edge: RedisServer | null },
): Promise<FloodRow> {
  const { node, item, kind, edge } = scene;
  const tell = (text: string) => options.tell?.(`${options.runtime} ${kind}: ${text}`);
  const target = { ...item, port: node.buyerPort, secret: node.secret };
  const honest = { ...target, ratePerS: options.honestPerS, clock };
  const attack = (asked: number): Promise<FloodResult> => {
    const count = asked * SHARE_OF[kind];
    const ratePerS = options.ratePerS * SHARE_OF[kind];
    if (kind !== "half-open") return sendFlood({ ...target, kind, count, ratePerS });
    return holdHalfOpen({
      port: target.port,
      sockets: HALF_OPEN_SOCKETS,
      durationMs: (count / ratePerS) * 1_000,
      clock,
    });
  };
  tell("warming up");
  await attack(options.warmUpCount);
  tell("quiet");
  const quietEndsMs = clock.monotonicMs() + options.quietMs;
  const quiet = await sendHonestBuyers(honest, () => clock.monotonicMs() >= quietEndsMs);

  // Ended once; the floods after the first find it gone.
  await edge?.kill();
  tell(edge === null ? "the flood" : "the edge Redis is gone; the flood");
  const startBytes = residentBytesOf(node.pid);
  let peakBytes = startBytes;
  let isOver = false;
  const watch = (async () => {
    while (!isOver) {
      peakBytes = Math.max(peakBytes, residentBytesOf(node.pid));
      await pause(SAMPLE_INTERVAL_MS);
    }
  })();
  const sending = attack(options.count).finally(() => {
    isOver = true;
  });
  const flooded = await sendHonestBuyers(honest, () => isOver);
  const flood = await sending;
  await watch;
  tell("over, waiting for the memory");
  const endBytes = await settledBytes(node.pid, startBytes, options.returnWithinMs);
  return { kind, flood, quiet, flooded, startBytes, peakBytes, endBytes };
}

/** Memory after the flood: as soon as it has come back, or what it is when the time is over. */
async function settledBytes(pid: number, startBytes: number, withinMs: number): Promise<number> {
  const endMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const bytes = residentBytesOf(pid);
    if (bytes <= startBytes + LEFT_BYTES_MAX || clock.monotonicMs() >= endMs) return bytes;
    await pause(SAMPLE_INTERVAL_MS);
  }
}

/**
 * What a row breaks of the bounds; empty = nothing. `isTimed` false: the machine is shared, so that a node may be too busy,
 * and nobody's waiting means anything.
 */
export function problemsOf(row: FloodRow, { isTimed }: { readonly isTimed: boolean }): readonly string[] {
  const { kind, flood, flooded, quiet, startBytes, peakBytes, endBytes } = row;
  const problems: string[] = [];
  const answered = Object.values(flood.statuses).reduce((sum, count) => sum + count, 0);
  const served = Object.entries(flood.statuses).filter(([status]) => status >= "500" && (isTimed || status !== "503"));
  if (answered < flood.sent && kind !== "half-open")
    problems.push(`${flood.sent - answered} of ${flood.sent} requests have no answer`);
  for (const [status, count] of served) problems.push(`${count} answers were ${status}`);
  if (peakBytes - startBytes > GROWTH_BYTES_MAX) problems.push(`grew by ${megabytes(peakBytes - startBytes)}`);
  if (endBytes - startBytes > (isTimed ? LEFT_BYTES_MAX : GROWTH_BYTES_MAX))
    problems.push(`kept ${megabytes(endBytes - startBytes)}`);
  const { "503": busy = 0, none: unanswered = 0 } = flooded.others;
  const refused = flooded.asked - flooded.accepted - (isTimed ? 0 : busy + unanswered);
  if (refused > 0) problems.push(`${refused} of ${flooded.asked} honest buyers: ${JSON.stringify(flooded.others)}`);
  const factor = WAIT_FACTOR_MAX[kind];
  if (isTimed && flooded.p99Ms > factor * quiet.p99Ms) {
    problems.push(`honest p99 ${flooded.p99Ms.toFixed(1)} ms is more than ${factor} × ${quiet.p99Ms.toFixed(1)} ms`);
  }
  return problems;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}
