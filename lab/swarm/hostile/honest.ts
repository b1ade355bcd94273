/**
 * An honest buyer's story: most come before the opening and get ready, look again at the opening, press when a hand can, and
 * do as they are told after that; some come late; a few wait for what comes back.
 *
 * Told so that what happened to him can be judged: won, nothing was left, or refused. Whoever was held back by limits or score
 * on the way and then found nothing left was refused by the gate, too, and counts so.
 */
import { createSeededRandom, type SeededRandom } from "../seeded-random.ts";
import { wait } from "../system-clock.ts";
import { drawOwnDevice } from "./devices.ts";
import { type Disguise, drawComputer, drawOldAgeDays, drawPerson } from "./disguise.ts";
import { addressOf } from "./populations.ts";
import {
  arm,
  attempt,
  begin,
  earnClearance,
  isLater,
  PATIENT,
  pay,
  type Shopper,
  taskIn,
  waitAsAdvised,
  wonIn,
} from "./shopping.ts";
import { type Reply, type Scene, Visitor } from "./visitor.ts";

/** How a story ended. */
export type HonestEnd = "won" | "won, left unpaid" | "nothing left" | { readonly refused: string };

/** One honest buyer. Times in milliseconds. */
export interface HonestPlan {
  readonly index: number;
  readonly address: string;
  readonly disguise: Disguise;
  readonly ageDays: number;
  /** Since the run begins; null = after the opening, without a pass. */
  readonly comesAfterMs: number | null;
  /** From the opening to the press; of latecomers, to their coming. */
  readonly pressesAfterMs: number;
  readonly waitsForReturns: boolean;
  /** Null = leaves it unpaid. */
  readonly paysAfterMs: number | null;
}

const EARLY_SHARE = 0.75;
const LATE_WITHIN_MS = 20_000;
/** What the eye and the hand need at least, and what they need in the middle. */
const REACTION_MS_MIN = 180;
const REACTION_MS_MEDIAN = 700;
const REACTION_SPREAD = 0.7;
/** One of ten sits in an office of thirty with one address and one make of computer. */
const OFFICE_SHARE = 0.1;
const OFFICE_SIZE = 30;
/** Made their account in the last days, which the sale's rule does not let in: the rule's own price. */
const NEWCOMER_SHARE = 0.002;
const WAITING_SHARE = 0.1;
const UNPAID_SHARE = 0.05;
const THINK_MS_MIN = 800;
const THINK_MS_MAX = 8_000;
const OFFICE_STREAM = 900_000_000;
const STORY_STREAM = 700_000_000;

/** The plan of the n-th honest buyer. `waitMs`: from the beginning of the run to the opening. */
export function planHonest(seed: number, index: number, scene: { honestCount: number; waitMs: number }): HonestPlan {
  const random = createSeededRandom(seed, index);
  const officeBuyers = Math.floor(scene.honestCount * OFFICE_SHARE);
  const office = index < officeBuyers ? Math.floor(index / OFFICE_SIZE) : null;
  const own = drawPerson(random);
  const isEarly = random.fraction() < EARLY_SHARE;
  const comes = random.fraction() * scene.waitMs * 0.7;
  const late = random.fraction() * LATE_WITHIN_MS;
  const reactionMs = drawReactionMs(random);
  const isNewcomer = random.fraction() < NEWCOMER_SHARE;
  return {
    index,
    address: addressOf("honest", office === null ? officeBuyers + index : office),
    disguise: office === null ? own : drawComputer(createSeededRandom(seed, OFFICE_STREAM + office)),
    ageDays: isNewcomer ? 1 + random.below(5) : drawOldAgeDays(random),
    comesAfterMs: isEarly ? comes : null,
    pressesAfterMs: isEarly ? reactionMs : late,
    waitsForReturns: random.fraction() < WAITING_SHARE,
    paysAfterMs:
      random.fraction() < UNPAID_SHARE ? null : THINK_MS_MIN + random.fraction() * (THINK_MS_MAX - THINK_MS_MIN),
  };
}

/** Log-normal, as reaction times are. */
function drawReactionMs(random: SeededRandom): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction());
  return REACTION_MS_MIN + REACTION_MS_MEDIAN * Math.exp(REACTION_SPREAD * normal);
}

/** Tells the story. */
export async function tellHonest(
  scene: Scene,
  plan: HonestPlan,
  seed: number,
): Promise<{ end: HonestEnd; buyerId: string | null }> {
  const random = createSeededRandom(seed, STORY_STREAM + plan.index);
  const visitor = new Visitor({
    ...{ scene, population: "honest", agent: plan.disguise.agent, random },
    address: () => plan.address,
  });
  const shopper: Shopper = {
    ...{ visitor, disguise: plan.disguise, pass: null, clearance: null },
    account: { name: `person-${seed}-${plan.index}`, ageDays: plan.ageDays },
    device: drawOwnDevice(scene.clock, random),
    idempotencyKey: `person-${plan.index}-${random.text(8)}`,
  };
  const end = await new HonestStory(shopper, plan).tell();
  visitor.hangUp();
  return { end, buyerId: visitor.session?.buyerId ?? null };
}

class HonestStory {
  readonly #shopper: Shopper;
  readonly #plan: HonestPlan;
  /** Limits or score made him wait. */
  #wasHeldBack = false;

  constructor(shopper: Shopper, plan: HonestPlan) {
    this.#shopper = shopper;
    this.#plan = plan;
  }

  async tell(): Promise<HonestEnd> {
    const { visitor } = this.#shopper;
    const { scene } = visitor;
    const { comesAfterMs, pressesAfterMs } = this.#plan;
    const pressesAtMs = scene.opensAtMs + pressesAfterMs;
    await until(scene, comesAfterMs === null ? pressesAtMs : scene.beginsAtMs + comesAfterMs);
    await visitor.ask({ method: "GET", path: `/v1/sales/${scene.saleId}` });
    const began = this.#note(await begin(this.#shopper, PATIENT));
    if (visitor.session === null) return { refused: `session: ${began.reason}` };
    if (comesAfterMs !== null) {
      const armed = this.#note(await arm(this.#shopper, PATIENT));
      // Who may not buy is told so ahead of time, and goes.
      if (armed.layer === "admission" && taskIn(armed) === null) return { refused: armed.reason };
      visitor.hangUp();
      await until(scene, pressesAtMs);
      scene.latenessMs.push(scene.clock.nowMs() - pressesAtMs);
    }
    return await this.#press();
  }

  async #press(): Promise<HonestEnd> {
    const shopper = this.#shopper;
    for (let tries = 0, challenges = 0; ; ) {
      const reply = this.#note(await attempt(shopper));
      const rid = wonIn(reply);
      if (rid !== null) return await this.#settle(rid);
      if (reply.reason === "pass_invalid") continue;
      if (taskIn(reply) !== null && challenges < 3) {
        challenges += 1;
        if (await earnClearance(shopper, reply, PATIENT)) continue;
        return { refused: reply.reason };
      }
      const isEmpty = reply.reason === "empty";
      if (isEmpty && !this.#plan.waitsForReturns) return this.#nothingLeft();
      if (reply.reason === "sold_out" || reply.reason === "closed") return this.#nothingLeft();
      if (!isEmpty && !isLater(reply)) return { refused: reply.reason };
      if (!isEmpty && ++tries >= PATIENT.triesMax) return { refused: reply.reason };
      if (isEmpty) shopper.visitor.hangUp();
      if (!(await waitAsAdvised(shopper, reply, PATIENT))) {
        return isEmpty ? this.#nothingLeft() : { refused: reply.reason };
      }
    }
  }

  async #settle(rid: string): Promise<HonestEnd> {
    const { visitor } = this.#shopper;
    const { paysAfterMs } = this.#plan;
    if (paysAfterMs === null) return "won, left unpaid";
    visitor.hangUp();
    await wait(visitor.scene.clock, paysAfterMs);
    return (await pay(this.#shopper, rid)) ? "won" : { refused: "could not pay" };
  }

  #nothingLeft(): HonestEnd {
    return this.#wasHeldBack ? { refused: "held back until nothing was left" } : "nothing left";
  }

  #note(reply: Reply): Reply {
    if (reply.reason === "throttled") this.#wasHeldBack = true;
    return reply;
  }
}

/** Waits for an instant; at once when it has passed. */
export async function until(scene: Scene, atMs: number): Promise<void> {
  const delayMs = atMs - scene.clock.nowMs();
  if (delayMs > 0) await wait(scene.clock, delayMs);
}
