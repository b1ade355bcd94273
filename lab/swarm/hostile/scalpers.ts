/**
 * Those who come with many accounts and want units: a farm, rotators of addresses, people who are paid for solving, a cartel
 * that holds and never pays.
 *
 * Each does what pays: gets ready before the opening where that is possible, fires at the instant of it, does not listen to
 * advice, and keeps asking for what comes back. What they win they pay at once, except the cartel. Which account comes when is
 * drawn, so that a farm's old accounts are not all among its last.
 */
import { createSeededRandom } from "../seeded-random.ts";
import { wait } from "../system-clock.ts";
import { type Device, hirePeople, rentCores } from "./devices.ts";
import { type Disguise, drawComputer, drawOldAgeDays, drawPerson, drawProgram } from "./disguise.ts";
import { until } from "./honest.ts";
import { addressOf, type Mixture, type Scalper } from "./populations.ts";
import { arm, attempt, begin, earnClearance, type Manners, pay, type Shopper, taskIn, wonIn } from "./shopping.ts";
import { type Scene, Visitor } from "./visitor.ts";

const CARTEL_ACCOUNTS_PER_COMPUTER = 5;
const ROTATOR_ADDRESSES_EACH = 20;
/** What a farm and a rotator rent for computing. */
const FARM_CORES = 32;
const ROTATOR_CORES = 16;
const PAID_PEOPLE_MS = { minMs: 6_000, maxMs: 25_000 };
const JITTER_MS = 25;
/** How long before the opening connections are made: not all at once, and not so early that they are closed. */
const WARM_MS_MIN = 300;
const WARM_MS_SPREAD = 3_000;
const ATTEMPTS_MAX = 14;
const RETRY_MS = 250;
const RETURNS_POLL_MS = 1_500;
const LONG_WAIT_MS = 2_000;
const STORY_STREAM = 300_000_000;

/** Asks again at its own pace, whatever was advised. */
const DEAF: Manners = { triesMax: 8, waitMs: () => RETRY_MS };

interface Trade {
  readonly disguise: (index: number) => Disguise;
  readonly address: (index: number, request: number) => string;
  readonly device: Device;
  readonly rotates: boolean;
  readonly pays: boolean;
}

/** The whole population's stories; answers which buyer ids were theirs. */
export async function tellScalpers(
  scene: Scene,
  scalper: Scalper,
  mixture: Mixture,
  seed: number,
): Promise<readonly string[]> {
  const accounts = mixture.scalpers[scalper];
  const trade = tradeOf(scene, scalper, mixture, seed);
  const stories = Array.from({ length: accounts.count }, async (_, index) => {
    const random = createSeededRandom(seed, STORY_STREAM + index * 8 + scalper.length);
    // Old accounts are spread evenly over all of them.
    const isOld =
      Math.floor(((index + 1) * accounts.oldCount) / accounts.count) >
      Math.floor((index * accounts.oldCount) / accounts.count);
    const disguise = trade.disguise(index);
    let requests = 0;
    const visitor = new Visitor({
      ...{ scene, population: scalper, agent: disguise.agent, random, rotates: trade.rotates },
      address: () => trade.address(index, requests++),
    });
    const shopper: Shopper = {
      ...{ visitor, disguise, device: trade.device, pass: null, clearance: null },
      account: { name: `${scalper}-${seed}-${index}`, ageDays: isOld ? drawOldAgeDays(random) : random.fraction() * 2 },
      idempotencyKey: `${scalper}-${index}-${random.text(8)}`,
    };
    await tellScalper(shopper, trade);
    visitor.hangUp();
    return visitor.session?.buyerId ?? null;
  });
  return (await Promise.all(stories)).filter((buyerId) => buyerId !== null);
}

function tradeOf(scene: Scene, scalper: Scalper, mixture: Mixture, seed: number): Trade {
  const { clock } = scene;
  const dice = (index: number) => createSeededRandom(seed, STORY_STREAM / 2 + index);
  switch (scalper) {
    case "account_farm": {
      const computers = Math.max(1, Math.floor(mixture.scalpers.account_farm.count / mixture.farmSize));
      const computer = (index: number): number => index % computers;
      return {
        ...{ device: rentCores(clock, FARM_CORES), rotates: false, pays: true },
        disguise: (index) => drawComputer(dice(computer(index))),
        address: (index) => addressOf(scalper, computer(index)),
      };
    }
    case "ip_rotator":
      return {
        ...{ device: rentCores(clock, ROTATOR_CORES), rotates: true, pays: true },
        disguise: (index) => drawProgram(dice(index)),
        address: (index, request) => addressOf(scalper, index * ROTATOR_ADDRESSES_EACH + request),
      };
    case "captcha_farm":
      return {
        ...{ device: hirePeople(clock, dice(0), PAID_PEOPLE_MS), rotates: false, pays: true },
        disguise: (index) => drawPerson(dice(index)),
        address: (index) => addressOf(scalper, index),
      };
    case "hold_cartel": {
      const computer = (index: number): number => Math.floor(index / CARTEL_ACCOUNTS_PER_COMPUTER);
      return {
        ...{ device: rentCores(clock, ROTATOR_CORES), rotates: false, pays: false },
        disguise: (index) => drawComputer(dice(computer(index))),
        address: (index) => addressOf(scalper, computer(index)),
      };
    }
  }
}

async function tellScalper(shopper: Shopper, trade: Trade): Promise<void> {
  const { visitor } = shopper;
  const { scene, random } = visitor;
  const waitMs = scene.opensAtMs - scene.beginsAtMs;
  await until(scene, scene.beginsAtMs + random.fraction() * waitMs * 0.6);
  await begin(shopper, DEAF);
  if (visitor.session === null) return;
  await arm(shopper, DEAF);
  visitor.hangUp();
  await until(scene, scene.opensAtMs - WARM_MS_MIN - random.fraction() * WARM_MS_SPREAD);
  await visitor.warmUp();
  const firesAtMs = scene.opensAtMs + random.fraction() * JITTER_MS;
  await until(scene, firesAtMs);
  scene.latenessMs.push(scene.clock.nowMs() - firesAtMs);
  let wish = shopper;
  for (;;) {
    const rid = await fire(wish);
    if (rid === null) return;
    if (trade.pays) {
      await pay(wish, rid);
      return;
    }
    // The cartel lets it run out, and wants the next.
    wish = { ...wish, pass: null, idempotencyKey: `cartel-${random.text(12)}` };
  }
}

/** Attempts until something was won; null when it is no use any more. */
async function fire(shopper: Shopper): Promise<string | null> {
  const { visitor } = shopper;
  const { scene, random } = visitor;
  let challenges = 0;
  for (let tries = 0; tries < ATTEMPTS_MAX; ) {
    const reply = await attempt(shopper);
    const rid = wonIn(reply);
    if (rid !== null) return rid;
    if (["sold_out", "closed", "not_eligible", "banned"].includes(reply.reason)) return null;
    if (taskIn(reply) !== null && challenges < 3) {
      challenges += 1;
      if (await earnClearance(shopper, reply, DEAF)) continue;
    }
    const isWaiting = reply.reason === "empty" || reply.reason === "limit_reached";
    // Even a program does not knock for nothing for long.
    const isLong = reply.reason === "throttled" && reply.retryAfterMs >= LONG_WAIT_MS;
    if (!isWaiting && !isLong) tries += 1;
    const pollMs = RETURNS_POLL_MS * (0.5 + random.fraction());
    const delayMs = isLong ? reply.retryAfterMs : isWaiting ? pollMs : RETRY_MS;
    if (scene.clock.nowMs() + delayMs > scene.endsAtMs) return null;
    await wait(scene.clock, delayMs);
  }
  return null;
}
