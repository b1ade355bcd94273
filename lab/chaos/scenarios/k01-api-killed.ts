/**
 * K1: nodes that talk to buyers die in the middle of the rush, with leases in their hands and answers on their lips.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const RESTARTED_AFTER_MS_MAX = 1_500;

export const apiKilled: Scenario = {
  id: "K1",
  title: "kill -9 of API nodes",
  mustHold: "S1–S5; the dead node's units are back within 4 s",
  variants: [
    {
      name: "one or two of three",
      shape: USUAL_SHAPE,
      disturb: killSome,
      firstSale: { withinMs: FIRST_SALE_MS.api, after: "injection" },
    },
  ],
};

async function killSome(scene: Scene): Promise<void> {
  const victims = scene.pickSome(scene.stack.apiNodes).slice(0, scene.stack.apiNodes.length - 1);
  scene.injected(`kill -9 of ${victims.map((node) => node.name).join(" and ")}`);
  await Promise.all(victims.map((node) => scene.kill(node)));
  await scene.untilSelling();
  await scene.last(scene.between(0, RESTARTED_AFTER_MS_MAX));
  await scene.restart(victims);
}
