/**
 * K6: a node freezes with a lease in its hands for twice the lease's life, then goes on as if nothing had happened.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

/** Twice the life of a lease (ledger/lease-holder.ts). */
const FROZEN_FOR_MS = 6_000;

export const apiFrozen: Scenario = {
  id: "K6",
  title: "SIGSTOP of an API node for twice its lease",
  mustHold: "no zombie sale",
  variants: [
    {
      name: "SIGSTOP, SIGCONT",
      shape: USUAL_SHAPE,
      disturb: freezeOne,
      firstSale: { withinMs: FIRST_SALE_MS.api, after: "injection" },
    },
  ],
};

async function freezeOne(scene: Scene): Promise<void> {
  const victim = scene.pick(scene.stack.apiNodes);
  process.kill(victim.shop.pid, "SIGSTOP");
  scene.injected(`SIGSTOP of ${victim.name} for ${FROZEN_FOR_MS} ms`);
  await scene.last(FROZEN_FOR_MS);
  process.kill(victim.shop.pid, "SIGCONT");
  scene.healed();
}
