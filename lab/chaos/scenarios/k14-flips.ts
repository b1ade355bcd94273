/**
 * K14: Redis is away, the sale goes on in PostgreSQL, Redis comes back, the sale returns; three times under load.
 */
import { waitUntil } from "../../../test/support/waiting.ts";
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const OUTAGES = 3;
const SELLS_FOR_MS = 700;
const RETURNS_WITHIN_MS = 15_000;
const GOODPUT_SHARE_MIN = 0.3;

export const flips: Scenario = {
  id: "K14",
  title: "three outages of Redis, with the way back",
  mustHold: "no double selling; at least 30 % of the normal rate in postgres mode",
  variants: [
    {
      name: "killed and started again",
      shape: USUAL_SHAPE,
      stock: 6_000,
      disturb: flipThrice,
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" },
    },
  ],
};

async function flipThrice(scene: Scene): Promise<void> {
  const { redis } = scene.stack;
  const normal = await rate(scene);
  for (let outage = 1; outage <= OUTAGES; outage += 1) {
    const { mode } = await scene.desk.standing(scene.saleId);
    const diedNs = scene.buyers.nowNs();
    scene.injected(`outage ${outage} of Redis, in ${mode} mode`);
    await redis.primary.kill();
    await scene.desk.untilMode(scene.saleId, "postgres");
    const silentMs = await scene.untilSelling(diedNs);
    scene.expect(silentMs <= FIRST_SALE_MS.redis, `outage ${outage}: nobody could buy for ${Math.round(silentMs)} ms`);
    const degraded = await rate(scene);
    scene.expect(
      degraded >= GOODPUT_SHARE_MIN * normal,
      `outage ${outage}: ${Math.round(degraded)} of ${Math.round(normal)} acceptances/s in postgres mode`,
    );
    await redis.primary.start();
    if (await returns(scene)) await scene.last(SELLS_FOR_MS);
  }
  scene.healed();
}

/** Acceptances per second, now. */
async function rate(scene: Scene): Promise<number> {
  const before = scene.buyers.acceptedCount;
  await scene.last(SELLS_FOR_MS);
  return ((scene.buyers.acceptedCount - before) / SELLS_FOR_MS) * 1_000;
}

/** Waits until the sale is back in redis mode, or stays in PostgreSQL for good because it flipped often enough. */
async function returns(scene: Scene): Promise<boolean> {
  const standing = await waitUntil(
    "the sale to return to Redis or to stay",
    async () => {
      const now = await scene.desk.standing(scene.saleId);
      return now.mode === "redis" || now.flips >= OUTAGES ? now : null;
    },
    { withinMs: RETURNS_WITHIN_MS, everyMs: 30 },
  );
  return standing.mode === "redis";
}
