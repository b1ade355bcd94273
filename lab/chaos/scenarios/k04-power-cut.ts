/**
 * K4: the power of a Redis that promised only `everysec` is cut: its file ends at some byte after the last fsync.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

export const powerCut: Scenario = {
  id: "K4",
  title: "power cut of Redis: the file ends at a random byte",
  mustHold: "what is read again is consistent, the loss is noticed, and lost 202s are on record",
  variants: [
    {
      name: "everysec",
      shape: { ...USUAL_SHAPE, durability: "everysec" },
      disturb: cutPower,
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" },
      allowances: { recordedLoss: true },
    },
  ],
};

async function cutPower(scene: Scene): Promise<void> {
  const server = scene.stack.redis.primary;
  await scene.last(scene.between(0, 800));
  const keptAtLeast = server.fsyncedBytes();
  scene.injected(`power cut of ${server.name}`);
  await server.kill();
  const { bytes } = server.appendOnlyFile();
  const kept = keptAtLeast + scene.random.below(Math.max(1, bytes - keptAtLeast));
  server.truncate(kept);
  scene.injections.push(`its file of ${bytes} bytes ends at ${kept}`);
  if (scene.random.fraction() < 0.3) await scene.untilSelling();
  await server.start();
}
