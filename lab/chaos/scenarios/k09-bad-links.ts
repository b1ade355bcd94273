/**
 * K9: links that lose answers, break in the middle of a frame, are slow, or deliver one byte at a time.
 */
import type { FaultProxy } from "../fault-proxy.ts";
import type { LinkFaults } from "../link-faults.ts";
import { FIRST_SALE_MS, type Scenario, type Variant } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { type ChaosNode, USUAL_SHAPE } from "../stack.ts";

const BAD_FOR_MS_MIN = 1_000;
const BAD_FOR_MS_MAX = 3_000;

interface Badness {
  readonly name: string;
  readonly faults: Partial<LinkFaults>;
  /** Proof that it happened. */
  readonly hits: (link: FaultProxy) => number;
}

const BADNESSES: readonly Badness[] = [
  { name: "lost answers", faults: { dropReplyShare: 0.05 }, hits: (link) => link.counts.droppedReplies },
  { name: "frames cut in the middle", faults: { cutShare: 0.03 }, hits: (link) => link.counts.cutFrames },
  { name: "half a second late", faults: { latencyMs: 500, jitterMs: 50 }, hits: (link) => link.counts.delayedChunks },
  { name: "one byte at a time", faults: { sliceBytes: 1 }, hits: (link) => link.counts.slices },
];

export const badLinks: Scenario = {
  id: "K9",
  title: "lost answers, cut frames, latency, single bytes",
  mustHold: "the same answer for the same key; no hang",
  variants: BADNESSES.flatMap((badness) => [onLinks("Redis", badness), onLinks("PostgreSQL", badness)]),
};

function onLinks(where: "Redis" | "PostgreSQL", badness: Badness): Variant {
  return {
    name: `${badness.name}, ${where}`,
    shape: USUAL_SHAPE,
    disturb: (scene) => spoil(scene, where, badness),
    firstSale: { withinMs: where === "Redis" ? FIRST_SALE_MS.redis : FIRST_SALE_MS.postgres, after: "injection" },
  };
}

async function spoil(scene: Scene, where: "Redis" | "PostgreSQL", badness: Badness): Promise<void> {
  const nodes = scene.pickSome(scene.stack.nodes);
  const linksOf = (node: ChaosNode): readonly FaultProxy[] =>
    where === "Redis" ? node.redisLinks : [node.databaseLink];
  const links = nodes.flatMap(linksOf);
  const hits = (): number => links.reduce((sum, link) => sum + badness.hits(link), 0);
  const before = hits();
  for (const link of links) link.disturb(badness.faults);
  scene.injected(`${badness.name} between ${nodes.map((node) => node.name).join(", ")} and ${where}`);
  await scene.last(scene.between(BAD_FOR_MS_MIN, BAD_FOR_MS_MAX));
  for (const link of links) link.heal();
  scene.healed();
  scene.expect(hits() > before, `no link ever had ${badness.name}`);
  scene.injections.push(`${hits() - before} times`);
}
