/**
 * K11: Redis reaches its memory limit in the middle of the rush. It must refuse before it writes anything, and a sale
 * whose Redis stays full must go on without it.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const ROOM_BYTES_MAX = 30_000;
const FULL_FOR_MS_MIN = 1_500;
const FULL_FOR_MS_MAX = 4_000;

export const memoryFull: Scenario = {
  id: "K11",
  title: "maxmemory of Redis is reached",
  mustHold: "refused before any write; sold units intact",
  variants: [
    {
      name: "CONFIG SET maxmemory, for a moment",
      shape: USUAL_SHAPE,
      disturb: (scene) => fillMemory(scene, () => scene.last(scene.between(FULL_FOR_MS_MIN, FULL_FOR_MS_MAX))),
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" },
    },
    {
      name: "CONFIG SET maxmemory, until PostgreSQL sells",
      shape: USUAL_SHAPE,
      disturb: (scene) => fillMemory(scene, () => untilPostgresSells(scene)),
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" },
    },
  ],
};

async function fillMemory(scene: Scene, last: () => Promise<void>): Promise<void> {
  const { primary } = scene.stack.redis;
  await primary.command("CONFIG", "RESETSTAT");
  const memory = String(await primary.command("INFO", "memory"));
  const used = Number(/used_memory:(\d+)/.exec(memory)?.[1] ?? 0);
  await primary.command("CONFIG", "SET", "maxmemory", String(used + scene.random.below(ROOM_BYTES_MAX)));
  scene.injected("maxmemory is reached");
  try {
    await last();
  } finally {
    await primary.command("CONFIG", "SET", "maxmemory", "0");
  }
  scene.healed();
  const errors = String(await primary.command("INFO", "errorstats"));
  const refused = Number(/errorstat_OOM:count=(\d+)/.exec(errors)?.[1] ?? 0);
  scene.expect(refused > 0, "nothing was refused for memory");
  scene.injections.push(`${refused} calls refused for memory`);
}

async function untilPostgresSells(scene: Scene): Promise<void> {
  await scene.desk.untilMode(scene.saleId, "postgres");
  await scene.untilSelling(scene.buyers.nowNs());
}
