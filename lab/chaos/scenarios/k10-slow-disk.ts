/**
 * K10: fsync takes two seconds, fsync fails, the disk of Redis is full.
 *
 * System calls are disturbed from outside with strace, where there is one and it may attach; the full disk is a small tmpfs.
 * A Redis that cannot keep what it said ends itself rather than go on, and PostgreSQL recovers: both is right. Nobody may be
 * promised anything that is not on a disk.
 */
import { whyNoSmallDisk } from "../../../test/support/small-disk.ts";
import { FIRST_SALE_MS, type Scenario, type Variant } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";
import { disturbSystemCalls, type SystemCallFault, whyNoStrace } from "../system-calls.ts";

const SLOW_MS = 2_000;
const BAD_FOR_MS_MIN = 1_000;
const BAD_FOR_MS_MAX = 3_000;
const SLOW: SystemCallFault = { calls: ["fsync", "fdatasync"], effect: `delay_exit=${SLOW_MS * 1_000}` };
const FAILING: SystemCallFault = { calls: ["fsync", "fdatasync"], effect: "error=EIO" };

export const slowDisk: Scenario = {
  id: "K10",
  title: "slow fsync, failing fsync, full disk",
  mustHold: "`unavailable` at worst; no false promise",
  variants: [
    onRedis("slow fsync, Redis", SLOW),
    onRedis("failing fsync, Redis", FAILING),
    {
      name: "disk full, Redis",
      shape: { ...USUAL_SHAPE, redisDisk: "24m" },
      whyNot: whyNoSmallDisk,
      disturb: fillDisk,
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "healing" },
    },
    onPostgres("slow fsync, PostgreSQL", SLOW),
    onPostgres("failing fsync, PostgreSQL", FAILING),
  ],
};

function onRedis(name: string, fault: SystemCallFault): Variant {
  return {
    name,
    shape: USUAL_SHAPE,
    whyNot: whyNoStrace,
    disturb: async (scene) => {
      const { primary } = scene.stack.redis;
      await disturb(scene, name, () => disturbSystemCalls([primary.pid], fault));
      if (!primary.isRunning) scene.injections.push("Redis ended itself");
    },
    firstSale: { withinMs: FIRST_SALE_MS.redis, after: "healing" },
  };
}

function onPostgres(name: string, fault: SystemCallFault): Variant {
  return {
    name,
    shape: USUAL_SHAPE,
    whyNot: whyNoStrace,
    disturb: async (scene) => {
      const { postgres } = scene.stack;
      await disturb(scene, name, () => disturbSystemCalls(postgres.pids, fault));
      if (!postgres.isRunning) scene.injections.push("PostgreSQL ended itself");
    },
    firstSale: { withinMs: FIRST_SALE_MS.postgres, after: "healing" },
  };
}

async function disturb(scene: Scene, name: string, begin: () => ReturnType<typeof disturbSystemCalls>): Promise<void> {
  const disturbance = await begin();
  scene.injected(name);
  await scene.last(scene.between(BAD_FOR_MS_MIN, BAD_FOR_MS_MAX));
  const hits = await disturbance.end();
  scene.expect(hits > 0, `no system call was disturbed: ${name}`);
  scene.injections.push(`${hits} system calls`);
  await scene.stack.restore();
  scene.healed();
}

async function fillDisk(scene: Scene): Promise<void> {
  const { redis, redisDisk } = scene.stack;
  if (redisDisk === null) throw new Error("this stack's Redis has no disk of its own");
  const free = redisDisk.fill();
  scene.injected("the disk of Redis is full");
  await scene.last(scene.between(BAD_FOR_MS_MIN, BAD_FOR_MS_MAX));
  if (!redis.primary.isRunning) scene.injections.push("Redis ended itself");
  free();
  await scene.stack.restore();
  scene.healed();
}
