/**
 * Runs one schedule from its first moment to the last check.
 */
import { checkPromises, closeSale, comeToRest, sellTheRest } from "./endings.ts";
import { type Failure, ITEM_ID, type Weakened } from "./scene.ts";
import type { Schedule } from "./schedule.ts";
import type { TraceLine } from "./trace.ts";
import { World } from "./world.ts";

/** What a schedule came to. */
export interface SimResult {
  readonly seed: number;
  readonly failure: Failure | null;
  /** Moments that were fired: how long it was. */
  readonly moments: number;
  readonly virtualMs: number;
  readonly hasLost: boolean;
  readonly epochs: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly trace: readonly TraceLine[];
}

const LAST_EVENT_MARGIN_MS = 300;

/** The same schedule always comes to the same result. */
export async function simulate(
  schedule: Schedule,
  options: { readonly weakened?: Weakened; readonly isTraced?: boolean } = {},
): Promise<SimResult> {
  const world = new World(schedule, { weakened: options.weakened ?? {}, isTraced: options.isTraced === true });
  world.begin();
  const lastMs = schedule.events.reduce((last, event) => Math.max(last, event.atMs), 0);
  await runUnlessFailed(world, lastMs + LAST_EVENT_MARGIN_MS);
  await runUnlessFailed(world, world.faults.untilMs);
  if (world.failure === null) world.heal();
  if (world.failure === null) await comeToRest(world);
  if (world.failure === null) checkPromises(world);
  if (world.failure === null) await sellTheRest(world);
  if (world.failure === null && world.config.closes) await closeSale(world);
  if (world.failure === null) checkPromises(world);
  return {
    seed: schedule.seed,
    failure: world.failure,
    moments: world.timeline.firedCount,
    virtualMs: world.timeline.nowMs,
    hasLost: world.redis.hasLost,
    epochs: world.sale.epoch,
    counts: world.book.counts.set("sold", world.books.tables.stockRow(ITEM_ID).sold).set("lost", lostCountOf(world)),
    trace: world.trace ?? [],
  };
}

/** Acceptances that are on record as lost in the end. */
function lostCountOf({ book, books }: World): number {
  const { orders } = books.tables.data;
  return [...book.accepted.keys()].filter((rid) => orders.get(rid)?.status === "lost").length;
}

async function runUnlessFailed(world: World, untilMs: number): Promise<void> {
  if (world.failure === null) await world.timeline.runUntil(untilMs, () => world.failure !== null);
}
