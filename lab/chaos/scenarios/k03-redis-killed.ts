/**
 * K3: Redis dies under load and comes back with its file, at once or after the sale has moved to PostgreSQL.
 */
import { FIRST_SALE_MS, type Scenario, type Variant } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { type StackShape, USUAL_SHAPE } from "../stack.ts";

const DOWN_FOR_MS_MAX = 3_500;

export const redisKilled: Scenario = {
  id: "K3",
  title: "kill -9 of Redis",
  mustHold: "no acceptance is lost, with always and with everysec: a dead process does not undo its writes",
  variants: [
    variant("fsync always", USUAL_SHAPE),
    variant("fsync every second", { ...USUAL_SHAPE, durability: "everysec" }),
    { ...variant("one of a cluster", { ...USUAL_SHAPE, topology: "cluster" }), buckets: 4 },
  ],
};

function variant(name: string, shape: StackShape): Variant {
  return { name, shape, disturb: killRedis, firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" } };
}

async function killRedis(scene: Scene): Promise<void> {
  const server = scene.pick(scene.stack.redis.servers);
  scene.injected(`kill -9 of ${server.name}`);
  await server.kill();
  const isQuick = scene.random.fraction() < 0.4;
  if (isQuick) await scene.last(scene.between(0, DOWN_FOR_MS_MAX));
  else await scene.untilSelling();
  await server.start();
}
