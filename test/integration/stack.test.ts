/**
 * The deployment that the demonstration runs on: it starts as a whole, survives its kills, and leaves nothing behind.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServerPrograms } from "../../lab/stack/programs.ts";
import { Stack } from "../../lab/stack/stack.ts";
import { createSystemClock } from "../../lab/swarm/system-clock.ts";
import { Buyer } from "../support/buyer-client.ts";
import { waitUntil } from "../support/waiting.ts";

const clock = createSystemClock();
const programs = findServerPrograms(process.env["PATH"] ?? "");

/** Runs the work with a folder of its own for everything temporary; answers what was left in it. */
async function leftBehind(work: () => Promise<void>): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-test-"));
  chmodSync(folder, 0o755);
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  try {
    await work();
    return readdirSync(folder);
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

describe("a deployment", () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start({ programs, clock });
  });
  afterAll(() => stack.stop());

  const address = (): string => `http://127.0.0.1:${stack.port}`;

  test("answers buyers while one of its nodes is dead, and has it back afterwards", async () => {
    const [node] = stack.apiNodes;
    if (node === undefined) throw new Error("no node");
    await node.kill();
    for (let count = 0; count < 12; count++) {
      const guest = await Buyer.guest(address());
      expect(guest.buyerId.length).toBeGreaterThan(10);
    }
    await node.restart();
    expect(node.isRunning).toBe(true);
  });

  test("has a Redis that keeps its port over a kill", async () => {
    const { port, pid } = stack.redis;
    await stack.redis.kill();
    expect(pid !== null && isAlive(pid)).toBe(false);
    await stack.redis.startServer();
    expect(stack.redis.port).toBe(port);
    expect(await stack.redis.call("PING")).toBe("PONG");
  });

  test("is gone when stopped: every process and its folder", async () => {
    const left = await leftBehind(async () => {
      const own = await Stack.start({ programs, clock, apiNodes: 1 });
      const pids = own.pids;
      expect(pids.length).toBe(6);
      expect(pids.every(isAlive)).toBe(true);
      await own.stop();
      await waitUntil("all processes to be gone", () => !pids.some(isAlive));
    });
    expect(left).toEqual([]);
  });

  test("that cannot start as a whole leaves no part running", async () => {
    const left = await leftBehind(async () => {
      const starting = Stack.start({ programs: { ...programs, nginx: "/nowhere/nginx" }, clock, apiNodes: 1 });
      await expect(starting).rejects.toThrow(/nginx ended while it was starting/);
    });
    expect(left).toEqual([]);
  });
});
