/**
 * One part of a mixed crowd, the honest or the hostile, in a process of its own: what the others send must not make the honest
 * ones' clocks late.
 *
 * Reads its task from the first argument and prints one line of JSON when its last story has ended.
 */
import { holdHalfOpen } from "../../floods/half-open.ts";
import { createSystemClock } from "../system-clock.ts";
import { AnswerBook, type AnswerCounts } from "./answer-book.ts";
import { sendFlood } from "./floods.ts";
import { type HonestEnd, planHonest, tellHonest } from "./honest.ts";
import { FLOODS, type Mixture, type Population, SCALPERS } from "./populations.ts";
import { tellScalpers } from "./scalpers.ts";
import type { Scene } from "./visitor.ts";

/** What a part is told. */
export interface CrowdPartTask
  extends Pick<Scene, "port" | "saleId" | "sku" | "beginsAtMs" | "opensAtMs" | "endsAtMs"> {
  readonly part: "honest" | "hostile";
  readonly mixture: Mixture;
  readonly seed: number;
}

/** What it prints. */
export interface CrowdPartResult {
  readonly counts: AnswerCounts;
  readonly buyerIds: Readonly<Partial<Record<Population, readonly string[]>>>;
  /** Of the honest: how each story ended, and how many so. */
  readonly ends: Readonly<Record<string, number>>;
}

function nameOf(end: HonestEnd): string {
  return typeof end === "string" ? end : `refused: ${end.refused}`;
}

async function playHonest(scene: Scene, { mixture, seed }: CrowdPartTask): Promise<CrowdPartResult> {
  const { honestCount } = mixture;
  const waitMs = scene.opensAtMs - scene.beginsAtMs;
  const told = await Promise.all(
    Array.from({ length: honestCount }, (_, index) =>
      tellHonest(scene, planHonest(seed, index, { honestCount, waitMs }), seed),
    ),
  );
  const ends: Record<string, number> = {};
  for (const { end } of told) ends[nameOf(end)] = (ends[nameOf(end)] ?? 0) + 1;
  const honest = told.flatMap(({ buyerId }) => buyerId ?? []);
  return { counts: scene.book.counts, buyerIds: { honest }, ends };
}

async function playHostile(scene: Scene, { mixture, seed, port, endsAtMs }: CrowdPartTask): Promise<CrowdPartResult> {
  const { clock } = scene;
  const buyerIds: Partial<Record<Population, readonly string[]>> = {};
  const playing = [
    ...SCALPERS.map(async (scalper) => {
      buyerIds[scalper] = await tellScalpers(scene, scalper, mixture.scalpers[scalper], seed);
    }),
    ...FLOODS.map(async (flood) => {
      buyerIds[flood] = await sendFlood(scene, flood, mixture.floods[flood], seed);
    }),
    (async () => {
      const durationMs = Math.max(1, endsAtMs - clock.nowMs());
      const held = await holdHalfOpen({ port, sockets: mixture.halfOpenSockets, durationMs, clock });
      scene.book.add("slowloris|connection|cut by the node", held.reconnects);
      scene.book.add("slowloris|connection|still open", held.sent - held.reconnects);
    })(),
  ];
  await Promise.all(playing);
  return { counts: scene.book.counts, buyerIds, ends: {} };
}

const task = JSON.parse(process.argv[2] ?? "null") as CrowdPartTask;
const { port, saleId, sku, beginsAtMs, opensAtMs, endsAtMs } = task;
const scene: Scene = {
  ...{ port, saleId, sku, beginsAtMs, opensAtMs, endsAtMs },
  clock: createSystemClock(),
  book: new AnswerBook(),
};
const result = task.part === "honest" ? await playHonest(scene, task) : await playHostile(scene, task);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
