/**
 * One part of a mixed crowd in a process of its own: the honest, the scalpers, or the floods. What the floods send must make
 * neither the honest nor the scalpers late.
 *
 * Reads its task from the first argument and prints one line of JSON when its last story has ended.
 */
import { holdHalfOpen } from "../../floods/half-open.ts";
import { createSystemClock } from "../system-clock.ts";
import { AnswerBook, type AnswerCounts } from "./answer-book.ts";
import { sendFlood } from "./deaf-senders.ts";
import { type HonestEnd, planHonest, tellHonest } from "./honest.ts";
import { FLOODS, type Mixture, type Population, SCALPERS } from "./populations.ts";
import { tellScalpers } from "./scalpers.ts";
import type { Scene } from "./visitor.ts";

export type CrowdPart = "honest" | "scalpers" | "floods";

/** What a part is told. */
export interface CrowdPartTask
  extends Pick<Scene, "port" | "saleId" | "sku" | "beginsAtMs" | "opensAtMs" | "endsAtMs"> {
  readonly part: CrowdPart;
  readonly mixture: Mixture;
  readonly seed: number;
}

/** What it prints. */
export interface CrowdPartResult {
  readonly counts: AnswerCounts;
  readonly buyerIds: Readonly<Partial<Record<Population, readonly string[]>>>;
  /** Of the honest: how each story ended, and how many so. */
  readonly ends: Readonly<Record<string, number>>;
  readonly surprises: readonly string[];
  /** In the middle, by how much those who meant to press at an instant were late. */
  readonly latenessMs: number;
}

function nameOf(end: HonestEnd): string {
  return typeof end === "string" ? end : `refused: ${end.refused}`;
}

type Played = Pick<CrowdPartResult, "buyerIds"> & Partial<Pick<CrowdPartResult, "ends">>;

async function playHonest(scene: Scene, { mixture, seed }: CrowdPartTask): Promise<Played> {
  const { honestCount } = mixture;
  const waitMs = scene.opensAtMs - scene.beginsAtMs;
  const told = await Promise.all(
    Array.from({ length: honestCount }, (_, index) =>
      tellHonest(scene, planHonest(seed, index, { honestCount, waitMs }), seed),
    ),
  );
  const ends: Record<string, number> = {};
  for (const { end } of told) ends[nameOf(end)] = (ends[nameOf(end)] ?? 0) + 1;
  return { buyerIds: { honest: told.flatMap(({ buyerId }) => buyerId ?? []) }, ends };
}

async function playScalpers(scene: Scene, { mixture, seed }: CrowdPartTask): Promise<Played> {
  const buyerIds: Partial<Record<Population, readonly string[]>> = {};
  const playing = SCALPERS.map(async (scalper) => {
    buyerIds[scalper] = await tellScalpers(scene, scalper, mixture, seed);
  });
  await Promise.all(playing);
  return { buyerIds };
}

async function playFloods(scene: Scene, { mixture, seed }: CrowdPartTask): Promise<Played> {
  const { clock, port, endsAtMs } = scene;
  const buyerIds: Partial<Record<Population, readonly string[]>> = {};
  const playing = FLOODS.map(async (flood) => {
    buyerIds[flood] = await sendFlood(scene, flood, mixture.floods[flood], seed);
  });
  const durationMs = Math.max(1, endsAtMs - clock.nowMs());
  const held = await holdHalfOpen({ port, sockets: mixture.halfOpenSockets, durationMs, clock });
  scene.book.add("slowloris|connection|cut by the node", held.reconnects);
  scene.book.add("slowloris|connection|still open", held.sent - held.reconnects);
  await Promise.all(playing);
  return { buyerIds };
}

const PLAY: Readonly<Record<CrowdPart, (scene: Scene, task: CrowdPartTask) => Promise<Played>>> = {
  honest: playHonest,
  scalpers: playScalpers,
  floods: playFloods,
};

const task = JSON.parse(process.argv[2] ?? "null") as CrowdPartTask;
const { port, saleId, sku, beginsAtMs, opensAtMs, endsAtMs } = task;
const scene: Scene = {
  ...{ port, saleId, sku, beginsAtMs, opensAtMs, endsAtMs },
  clock: createSystemClock(),
  book: new AnswerBook(),
  latenessMs: [],
};
const played = await PLAY[task.part](scene, task);
const lateness = scene.latenessMs.sort((left, right) => left - right);
const result: CrowdPartResult = {
  ends: {},
  ...played,
  counts: scene.book.counts,
  surprises: scene.book.surprises,
  latenessMs: Math.round(lateness[Math.floor(lateness.length / 2)] ?? 0),
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
