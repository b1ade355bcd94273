/**
 * K5: a failover to a replica that lags, while the old primary is alive and some nodes still talk to it.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const LAG_MS_MIN = 50;
const LAG_MS_MAX = 700;
const SPLIT_MS_MIN = 500;
const SPLIT_MS_MAX = 4_000;

export const splitBrain: Scenario = {
  id: "K5",
  title: "failover to a lagging replica, the old primary alive",
  mustHold: "the old epoch is refused; held + sold ≤ total",
  variants: [
    {
      name: "some nodes stay with the old primary",
      shape: { ...USUAL_SHAPE, topology: "pair" },
      disturb: failOver,
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" },
      allowances: { recordedLoss: true },
    },
  ],
};

async function failOver(scene: Scene): Promise<void> {
  const { redis, nodes, operator } = scene.stack;
  redis.replicationLink?.disturb({ silence: "stall" });
  await scene.last(scene.between(LAG_MS_MIN, LAG_MS_MAX));
  const stay = scene.pickSome(nodes).slice(0, nodes.length - 1);
  const go = [...nodes.filter((node) => !stay.includes(node)), operator];
  scene.injected(
    `failover to a lagging replica; ${stay.map((node) => node.name).join(", ")} stay with the old primary`,
  );
  await redis.promote();
  redis.lead(go.map((node) => node.name));
  await scene.last(scene.between(SPLIT_MS_MIN, SPLIT_MS_MAX));
  redis.lead(stay.map((node) => node.name));
  scene.healed();
}
