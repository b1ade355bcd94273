/**
 * K15: every node is started again while ten times the load is at the doors.
 */
import { waitUntil } from "../../../test/support/waiting.ts";
import type { Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const LOAD_FACTOR = 10;
const GOODPUT_SHARE_MIN = 0.8;
const RECOVERS_WITHIN_MS = 60_000;
const MEASURED_FOR_MS = 800;
/** Three nodes and two workers start at once on the machine that also carries the crowd. */
const FIRST_SALE_MS_MAX = 15_000;

export const thunderingRestart: Scenario = {
  id: "K15",
  title: "all nodes restarted under ten times the load",
  mustHold: "recovers without an operator; goodput ≥ 80 % within 60 s",
  variants: [
    {
      name: "API nodes and workers",
      shape: USUAL_SHAPE,
      stock: 30_000,
      perBuyerMax: 10,
      quantity: 1,
      disturb: restartAll,
      firstSale: { withinMs: FIRST_SALE_MS_MAX, after: "injection" },
    },
  ],
};

async function restartAll(scene: Scene): Promise<void> {
  const { nodes } = scene.stack;
  const normal = await rate(scene);
  scene.injected(`kill -9 of all ${nodes.length} nodes; ${LOAD_FACTOR} times the load`);
  await Promise.all(nodes.map((node) => scene.kill(node)));
  scene.press(LOAD_FACTOR);
  const startedAtMs = scene.stack.clock.monotonicMs();
  await scene.restart(nodes);
  scene.healed();
  await waitUntil("the goodput to be back", async () => (await rate(scene)) >= GOODPUT_SHARE_MIN * normal, {
    withinMs: RECOVERS_WITHIN_MS,
  });
  const tookMs = Math.round(scene.stack.clock.monotonicMs() - startedAtMs);
  scene.injections.push(`${Math.round(normal)} acceptances/s before; 80 % of it again after ${tookMs} ms`);
}

async function rate(scene: Scene): Promise<number> {
  const before = scene.buyers.acceptedCount;
  await scene.last(MEASURED_FOR_MS);
  return ((scene.buyers.acceptedCount - before) / MEASURED_FOR_MS) * 1_000;
}
