/**
 * K12: wall clocks jump, of nodes by ten minutes, of Redis's host by five seconds, forth and back.
 *
 * Nodes load lab/chaos/shifted-clock.ts; Redis gets a preloaded library. Monotonic time goes on as it does
 * when somebody sets the clock of a running machine.
 */
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";
import { whyNoSteppedClock } from "../stepped-clock.ts";

const NODE_STEP_MS = 600_000;
const REDIS_STEP_S = 5;
const WRONG_FOR_MS_MIN = 1_500;
const WRONG_FOR_MS_MAX = 3_500;

export const wrongClocks: Scenario = {
  id: "K12",
  title: "clocks jump: nodes ±10 min, Redis ±5 s",
  mustHold: "S1; the window is wrong by no more than the step",
  variants: [
    {
      name: "nodes",
      shape: USUAL_SHAPE,
      disturb: stepNodes,
      firstSale: { withinMs: FIRST_SALE_MS.api, after: "injection" },
      allowances: { wrongWindow: true },
    },
    {
      name: "Redis",
      shape: { ...USUAL_SHAPE, hasRedisClock: true },
      whyNot: whyNoSteppedClock,
      disturb: stepRedis,
      firstSale: { withinMs: FIRST_SALE_MS.redis, after: "injection" },
    },
  ],
};

async function stepNodes(scene: Scene): Promise<void> {
  // One API node keeps the right time: a buyer whose requests all look ten minutes old cannot buy anywhere.
  const victims = scene.pickSome(scene.stack.nodes).filter((node) => node !== scene.stack.apiNodes[0]);
  const chosen = victims.length > 0 ? victims : [scene.pick(scene.stack.workers)];
  for (const node of chosen) node.shiftClock(scene.random.fraction() < 0.5 ? NODE_STEP_MS : -NODE_STEP_MS);
  scene.injected(`ten minutes off: ${chosen.map((node) => node.name).join(", ")}`);
  await scene.last(scene.between(WRONG_FOR_MS_MIN, WRONG_FOR_MS_MAX));
  for (const node of chosen) node.shiftClock(0);
  scene.healed();
}

async function stepRedis(scene: Scene): Promise<void> {
  const { redis, redisClock } = scene.stack;
  const { primary } = redis;
  if (redisClock === null) throw new Error("this stack's Redis has no clock of its own");
  const before = await serverTimeMs(primary);
  const stepS = scene.random.fraction() < 0.5 ? REDIS_STEP_S : -REDIS_STEP_S;
  redisClock.step(stepS * 1_000);
  const stepped = await serverTimeMs(primary);
  scene.expect(Math.abs(stepped - before - stepS * 1_000) < 1_500, "the clock of Redis did not jump");
  scene.injected(`the clock of Redis jumps by ${stepS} s`);
  await scene.last(scene.between(WRONG_FOR_MS_MIN, WRONG_FOR_MS_MAX));
  redisClock.step(0);
  scene.healed();
}

async function serverTimeMs(server: { command: (...words: string[]) => Promise<unknown> }): Promise<number> {
  const [seconds] = (await server.command("TIME")) as [string, string];
  return Number(seconds) * 1_000;
}
