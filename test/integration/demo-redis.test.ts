/**
 * The demonstration on a whole deployment, small: a node, a worker and Redis are killed while a crowd buys, and the judge
 * finds nothing; and a demonstration that is interrupted leaves nothing behind.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { findServerPrograms } from "../../lab/stack/programs.ts";
import { Stack } from "../../lab/stack/stack.ts";
import { type Disturbance, Disturber } from "../../lab/swarm/disturbances.ts";
import { OperatorClient } from "../../lab/swarm/operator-client.ts";
import { Progress } from "../../lab/swarm/progress.ts";
import { runCrowd } from "../../lab/swarm/run.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";
import { countAccepted } from "../../lab/swarm/tally.ts";
import { DemoCommand } from "../support/demo-command.ts";
import { waitUntil } from "../support/waiting.ts";

const clock = createSystemClock();
const BUYERS = 1_200;
const STOCK = 600;
const TIMINGS = {
  preparationMs: 1_500,
  rushMs: 9_000,
  arrivals: "even",
  holdMs: 40_000,
  thinkMsMax: 500,
  patienceMs: 12_000,
} as const;

test("a crowd is sold to correctly while a node, a worker and Redis are killed in turn", async () => {
  const programs = findServerPrograms(process.env["PATH"] ?? "");
  const settings = { LEDGER_DWELL_MS: "1000", LEDGER_RAMP_MS: "1000" };
  const stack = await Stack.start({ programs, clock, settings });
  let output = "";
  const progress = new Progress(clock, { write: (text) => (output += text) });
  try {
    const { adminAddress, adminToken } = stack;
    const companion = new Disturber({
      operator: new OperatorClient({ address: adminAddress, token: adminToken }),
      disturbances: disturbancesOf(stack),
      homeMode: "redis",
      clock,
      say: (line) => progress.say(line),
    });
    const result = await runCrowd({
      buyerCount: BUYERS,
      stock: STOCK,
      seed: 8,
      hostname: "127.0.0.1",
      port: stack.port,
      adminAddress,
      adminToken,
      shopPids: () => stack.pids,
      nodeCount: stack.apiNodes.length,
      companion,
      timings: TIMINGS,
      clock,
      progress,
      startedAtMs: clock.monotonicMs(),
      settleWithinMs: 1_000,
    });
    expect(result.findings).toEqual([]);
    expect(countAccepted(result.tally.rows)).toBeGreaterThan(STOCK / 4);
    expect(companion.results.map((one) => one.what)).toEqual(["node api-1", "node worker-2", "Redis"]);
    expect(companion.results.filter((one) => one.isStuck)).toEqual([]);
    expect(companion.hasReturned).toBe(true);
    expect(output).toContain("the sale is in");
  } catch (error) {
    process.stderr.write(`${output}\n${stack.output}\n`);
    throw error;
  } finally {
    await stack.stop();
  }
}, 58_000);

function disturbancesOf(stack: Stack): readonly Disturbance[] {
  const [node] = stack.apiNodes;
  const [, worker] = stack.workers;
  if (node === undefined || worker === undefined) throw new Error("no nodes");
  const parts = [
    { what: "node api-1", kill: () => node.kill(), restart: () => node.restart(), atShare: 0.1 },
    { what: "node worker-2", kill: () => worker.kill(), restart: () => worker.restart(), atShare: 0.25 },
    {
      what: "Redis",
      kill: () => stack.redis.kill(),
      restart: () => stack.redis.startServer(),
      atShare: 0.4,
      leavesMode: "redis",
    },
  ];
  return parts.map((part) => ({ ...part, latestMs: 3_000, awayMs: 1_500 }));
}

describe("a demonstration that is interrupted", () => {
  test("ends with one line, and leaves no process and no folder", async () => {
    const demo = new DemoCommand(["--redis", "--buyers", "50", "--stock", "20"]);
    try {
      await waitUntil("the sale to be announced", () => demo.output.includes("Sale "), { withinMs: 30_000 });
      const pids = descendantsOf(demo.pid);
      expect(pids.length).toBeGreaterThan(7);
      demo.interrupt();
      expect(await demo.ended).toBe(1);
      expect(demo.output).toContain("doorbuster: The demonstration was interrupted.");
      await waitUntil("every process to be gone", () => !pids.some((pid) => existsSync(`/proc/${pid}`)));
      expect(readdirSync(demo.folder)).toEqual([]);
    } finally {
      demo.remove();
    }
  });
});

function descendantsOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}
