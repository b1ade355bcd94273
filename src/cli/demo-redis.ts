/**
 * The main job on a whole deployment, with parts of it killed in the middle: one node, one worker, and Redis itself.
 *
 * Redis, PostgreSQL, three nodes for buyers, two workers and nginx run here as they would elsewhere, started and stopped
 * by us. Crowd, judge and verdict are those of demo.ts; the exit code is 0 only if every rule of the judge holds and the
 * sale was in the redis ledger again at the end.
 */
import pc from "picocolors";
import { findServerPrograms, MissingServersError } from "../../lab/stack/programs.ts";
import { Stack } from "../../lab/stack/stack.ts";
import { type Disturbance, Disturber, formatDisturbances } from "../../lab/swarm/disturbances.ts";
import { OperatorClient } from "../../lab/swarm/operator-client.ts";
import { Progress } from "../../lab/swarm/progress.ts";
import { formatReport } from "../../lab/swarm/report.ts";
import { DISTURBED_TIMINGS, runCrowd } from "../../lab/swarm/run.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";
import { type DemoOptions, watchForInterruption } from "./demo.ts";
import { CommandFailure } from "./failure.ts";

/** The ledger returns while buyers still wait for units that come back. */
const SETTINGS = { LEDGER_DWELL_MS: "3000", LEDGER_RAMP_MS: "3000" };

/** Runs the demonstration and answers the exit code. Rejects when it could not be carried out. */
export async function runRedisDemo(options: DemoOptions): Promise<number> {
  const clock = createSystemClock();
  const progress = new Progress(clock, process.stdout);
  const startedAtMs = clock.monotonicMs();
  const programs = findPrograms();
  progress.say(
    `A sale of ${options.stock.toLocaleString("en-US")} units for a crowd of ${options.buyers.toLocaleString("en-US")} (seed ${options.seed}). Starting Redis, PostgreSQL, three nodes, two workers and nginx …`,
  );
  const interruption = watchForInterruption();
  const stack = await Stack.start({ programs, clock, settings: SETTINGS });
  try {
    const operator = new OperatorClient({ address: stack.adminAddress, token: stack.adminToken });
    const companion = new Disturber({
      operator,
      disturbances: disturbancesOf(stack),
      homeMode: "redis",
      clock,
      say: (line) => progress.say(pc.yellow(line)),
    });
    const run = runCrowd({
      buyerCount: options.buyers,
      stock: options.stock,
      seed: options.seed,
      hostname: "127.0.0.1",
      port: stack.port,
      adminAddress: stack.adminAddress,
      adminToken: stack.adminToken,
      shopPids: () => stack.pids,
      nodeCount: stack.apiNodes.length,
      companion,
      timings: DISTURBED_TIMINGS,
      clock,
      progress,
      startedAtMs,
    });
    const result = await Promise.race([run, interruption.first]);
    if (result === null) throw new CommandFailure("The demonstration was interrupted.");
    progress.say(`\n${formatDisturbances(companion.results)}\n\n${formatReport(result)}`);
    if (!companion.hasReturned) progress.say("The sale did not return to the redis ledger after the kills.");
    if (options.keep) {
      progress.say(describeKept(stack, result.saleId));
      await interruption.first;
    }
    const isStuck = companion.results.some((one) => one.isStuck);
    return result.findings.length === 0 && companion.hasReturned && !isStuck ? 0 : 1;
  } catch (error) {
    if (!(error instanceof CommandFailure)) process.stderr.write(`The deployment said:\n${stack.output}\n`);
    throw error;
  } finally {
    progress.stop();
    interruption.stop();
    await stack.stop();
  }
}

function findPrograms() {
  try {
    return findServerPrograms(process.env["PATH"] ?? "");
  } catch (error) {
    if (!(error instanceof MissingServersError)) throw error;
    throw new CommandFailure(`${error.message}\nWithout --redis the demonstration needs none of them.`);
  }
}

/** What dies, in which order; each at a time when the one before it has been survived. */
function disturbancesOf(stack: Stack): readonly Disturbance[] {
  const [node] = stack.apiNodes;
  const [, worker] = stack.workers;
  if (node === undefined || worker === undefined) throw new Error("a stack has nodes and two workers");
  const redis = { kill: () => stack.redis.kill(), restart: () => stack.redis.startServer() };
  return [
    disturbance(`node ${node.name}`, node, { atShare: 0.15, latestMs: 3_000, awayMs: 3_000 }),
    disturbance(`node ${worker.name}`, worker, { atShare: 0.35, latestMs: 6_000, awayMs: 3_000 }),
    { ...disturbance("Redis", redis, { atShare: 0.6, latestMs: 9_000, awayMs: 7_000 }), leavesMode: "redis" },
  ];
}

function disturbance(
  what: string,
  target: { kill(): Promise<void>; restart(): Promise<void> },
  when: Pick<Disturbance, "atShare" | "latestMs" | "awayMs">,
): Disturbance {
  return { what, ...when, kill: () => target.kill(), restart: () => target.restart() };
}

function describeKept(stack: Stack, saleId: string): string {
  return [
    "The deployment is still running:",
    `  Buyers     ${pc.cyan(`http://127.0.0.1:${stack.port}/sales/${saleId}`)}`,
    `  Operators  ${pc.cyan(stack.adminAddress)}`,
    `  Token      ${pc.bold(stack.adminToken)}`,
    "Ctrl-C stops it and removes its data.",
  ].join("\n");
}
