/**
 * Runs one load against one server and puts what it did beside the processor time it took.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { runtimeCommand } from "../../test/support/node-process.ts";
import type { BlastResult, BlastTask } from "./blaster.ts";
import { cpuMsOf } from "./processor-time.ts";

/** A process whose processor time belongs to the figure. */
export interface MeasuredProcess {
  readonly pid: number;
  /** PostgreSQL works in children of its server process. */
  readonly children: boolean;
  /** Whose share it counts to; "all" when absent. */
  readonly part?: string;
}

export interface Measurement {
  readonly requestsPerS: number;
  readonly cpuUsPerDecision: number;
  /** The same by part. */
  readonly cpuUsByPart: Readonly<Record<string, number>>;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: number;
  /** From the answer "queued" to the first that says more, for those that were followed. */
  readonly followedMs: readonly number[];
}

/**
 * Loads the server and answers the figures. The load runs in a process of its own, on Bun for every server. Processor time
 * counts from when all connections are open: what a handshake costs is no part of a decision. It counts until `settle` has
 * resolved: an acceptance costs whoever commits it later, too.
 */
export async function measure(
  task: BlastTask,
  processes: readonly MeasuredProcess[],
  settle: (result: BlastResult) => Promise<void> = async () => undefined,
): Promise<Measurement> {
  let before: readonly number[] = [];
  const begin = (): void => {
    before = processes.map((one) => cpuMsOf(one.pid, one));
  };
  const result = await runOnBun<BlastResult>(join(import.meta.dirname, "blaster.ts"), task, begin);
  await settle(result);
  const cpuUsByPart: Record<string, number> = {};
  let cpuUs = 0;
  for (const [index, one] of processes.entries()) {
    const own = ((cpuMsOf(one.pid, one) - (before[index] ?? 0)) * 1_000) / Math.max(1, result.sentTotal);
    const part = one.part ?? "all";
    cpuUsByPart[part] = (cpuUsByPart[part] ?? 0) + own;
    cpuUs += own;
  }
  return {
    requestsPerS: result.answers / (result.elapsedMs / 1_000),
    cpuUsPerDecision: cpuUs,
    cpuUsByPart,
    latencyMsP50: result.latencyMsP50,
    latencyMsP99: result.latencyMsP99,
    outcomes: result.outcomes,
    failures: result.failures,
    followedMs: result.followedMs,
  };
}

/**
 * Runs a load generator in a process of its own, which reads its task from the first argument and prints its result in its
 * last line. `onBegin` is called when it first says anything.
 */
export function runOnBun<Result>(program: string, task: unknown, onBegin?: () => void): Promise<Result> {
  const [command, flags] = runtimeCommand("bun");
  const child = spawn(command, [...flags, program, JSON.stringify(task)], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const isFirst = output === "";
    output += chunk.toString("utf8");
    if (isFirst) onBegin?.();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(output.trim().split("\n").at(-1) ?? "") as Result);
      else reject(new Error(`the load generator ended with ${code}`));
    });
  });
}
