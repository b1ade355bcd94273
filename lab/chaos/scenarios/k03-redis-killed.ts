/**
 * K3: Redis dies under load and comes back with its file, at once or after the sale has moved to PostgreSQL; once with
 * many acceptances that only it and the nodes know of, and a crowd that would take their units.
 */
import { FIRST_SALE_MS, type Scenario, type Variant } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { type StackShape, USUAL_SHAPE } from "../stack.ts";

const DOWN_FOR_MS_MAX = 3_500;
const QUEUED_STOCK = 300;
/** So few are left then that the crowd takes them all when anybody may sell. */
const QUEUED_ACCEPTANCES = 150;
const CROWD_FACTOR = 12;

export const redisKilled: Scenario = {
  id: "K3",
  title: "kill -9 of Redis",
  mustHold: "no acceptance is lost, with always and with everysec: a dead process does not undo its writes",
  variants: [
    variant("fsync always", USUAL_SHAPE),
    { ...variant("queued", USUAL_SHAPE), stock: QUEUED_STOCK, quantity: 1, disturb: killRedisBeforeCommits },
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

/**
 * The workers come too late to read what was accepted: nobody but the nodes that answered 202 can make orders of it, and
 * once the epoch is over the crowd may be quicker.
 */
async function killRedisBeforeCommits(scene: Scene): Promise<void> {
  const { redis, workers } = scene.stack;
  for (const { shop } of workers) process.kill(shop.pid, "SIGSTOP");
  await scene.untilSold(QUEUED_ACCEPTANCES);
  const { epoch } = await scene.desk.standing(scene.saleId);
  scene.press(CROWD_FACTOR);
  scene.injected("kill -9 of Redis, with acceptances that no worker has read");
  await redis.primary.kill();
  for (const { shop } of workers) process.kill(shop.pid, "SIGCONT");
  await scene.untilSelling();
  await redis.primary.start();
  const queued = scene.buyers.queuedBefore(scene.injectedNs ?? 0);
  const orders = await scene.desk.orders(scene.saleId);
  const inTime = new Set(orders.filter((order) => order.epoch === epoch).map(({ rid }) => rid));
  const late = queued.filter((rid) => !inTime.has(rid)).length;
  scene.expect(queued.length >= QUEUED_ACCEPTANCES / 2, `only ${queued.length} were told that they are queued`);
  scene.expect(late === 0, `${late} of ${queued.length} queued acceptances were no orders when their epoch ended`);
}
