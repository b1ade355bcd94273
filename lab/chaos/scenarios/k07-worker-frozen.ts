/**
 * K7: a worker freezes with entries in its hands for twice the time after which others may take them, then goes on.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

/** Twice the idle time after which entries are claimed (orders/commit-lane.ts). */
const FROZEN_FOR_MS = 10_000;

export const workerFrozen: Scenario = {
  id: "K7",
  title: "SIGSTOP of a worker for twice the claim time",
  mustHold: "no duplicate, and nothing waits for the frozen one",
  variants: [
    {
      name: "SIGSTOP, SIGCONT",
      shape: USUAL_SHAPE,
      disturb: freezeOne,
      firstSale: { withinMs: FIRST_SALE_MS.worker, after: "injection" },
    },
  ],
};

async function freezeOne(scene: Scene): Promise<void> {
  const victim = scene.pick(scene.stack.workers);
  process.kill(victim.shop.pid, "SIGSTOP");
  scene.injected(`SIGSTOP of ${victim.name} for ${FROZEN_FOR_MS} ms`);
  await scene.last(FROZEN_FOR_MS);
  process.kill(victim.shop.pid, "SIGCONT");
  scene.healed();
}
