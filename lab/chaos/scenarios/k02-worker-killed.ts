/**
 * K2: a worker dies around the commit of a batch: before it reaches PostgreSQL, inside it, or after it and before anybody
 * was told.
 *
 * No test code is in the product for this. The worker's link to PostgreSQL is tapped, and the kill falls at the very
 * message: the call of `commit_batch` on its way there, or the answer on its way back.
 */
import { waitUntil } from "../../../test/support/waiting.ts";
import { FIRST_SALE_MS, type Scenario, type Variant } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { type ChaosNode, USUAL_SHAPE } from "../stack.ts";

const COMMIT = Buffer.from("commit_batch");
/** A worker that does not conduct may wait for its turn at a bucket. */
const COMMITS_WITHIN_MS = 10_000;
const RESTARTED_AFTER_MS_MAX = 2_000;

type Moment = "before the commit arrives" | "while it runs" | "after it, before the answer";

export const workerKilled: Scenario = {
  id: "K2",
  title: "kill -9 of a worker around COMMIT",
  mustHold: "exactly once",
  variants: (["before the commit arrives", "while it runs", "after it, before the answer"] as const).map(killedAt),
};

function killedAt(moment: Moment): Variant {
  return {
    name: moment,
    shape: USUAL_SHAPE,
    disturb: async (scene) => {
      const victim = await killInCommit(scene, moment);
      await scene.untilSelling();
      await scene.last(scene.between(0, RESTARTED_AFTER_MS_MAX));
      await scene.restart([victim]);
    },
    firstSale: { withinMs: FIRST_SALE_MS.worker, after: "injection" },
  };
}

/** Whoever of the workers commits first is the victim. */
async function killInCommit(scene: Scene, moment: Moment): Promise<ChaosNode> {
  const { workers } = scene.stack;
  let victim: ChaosNode | null = null;
  for (const worker of workers) {
    let isCommitting = false;
    const strike = (): void => {
      victim = worker;
      process.kill(worker.shop.pid, "SIGKILL");
      scene.injected(`kill -9 of ${worker.name} ${moment}`);
    };
    worker.databaseLink.tap((bytes, direction) => {
      if (victim !== null) return victim === worker && moment !== "while it runs" ? "swallow" : "forward";
      if (direction === "toServer" && Buffer.from(bytes).includes(COMMIT)) {
        isCommitting = true;
        if (moment === "after it, before the answer") return "forward";
        strike();
        return moment === "while it runs" ? "forward" : "swallow";
      }
      if (direction === "toServer" || !isCommitting) return "forward";
      strike();
      return "swallow";
    });
  }
  await waitUntil("a worker to commit", () => victim !== null, { withinMs: COMMITS_WITHIN_MS, everyMs: 2 });
  for (const worker of workers) worker.databaseLink.tap(null);
  const killed = victim as ChaosNode | null;
  if (killed === null) throw new Error("no worker committed");
  await killed.shop.kill();
  return killed;
}
