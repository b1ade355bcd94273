/**
 * A buyer of the simulation: asks, asks again with the same key when nobody answers, pays or does not.
 *
 * He believes only what he was told and writes it down; what contradicts an earlier answer is found here.
 */
import type { BuyerId, Rid } from "../../src/domain/ids.ts";
import type { Attempt, AttemptOutcome } from "../../src/ports/ledger.ts";
import type { Order } from "../../src/ports/order-store.ts";
import { createSeededRandom, type SeededRandom } from "../swarm/seeded-random.ts";
import type { NodeFace, Scene } from "./scene.ts";
import type { Habit } from "./schedule.ts";

const PATIENCE_MS = 4_000;
const TRIES_MAX = 5;
const LOOKS_MAX = 10;
const LOOK_INTERVAL_MS = 200;

interface Arrival {
  readonly buyer: number;
  readonly quantity: number;
  readonly habit: Habit;
}

/** One visit, in the background. */
export function startBuyer(world: Scene, arrival: Arrival): void {
  world.book.openSessions += 1;
  void new Buyer(world, arrival).visit().finally(() => {
    world.book.openSessions -= 1;
  });
}

/** One attempt by somebody who takes the first answer; null = nobody answered in time. */
export async function askOnce(world: Scene, attempt: Attempt, node: NodeFace): Promise<AttemptOutcome | null> {
  const askedAtMs = world.timeline.nowMs;
  const { book } = world;
  book.openAsks += 1;
  book.asks += 1;
  const asksBefore = book.asks;
  const wasAlone = book.openAsks === 1;
  const outcome = await overTheWire(world, node, () => node.submit(attempt), PATIENCE_MS);
  book.openAsks -= 1;
  if (outcome === null) return null;
  if (outcome.kind === "refused") {
    world.book.count(outcome.reason);
    world.checks.refused(attempt, outcome, { askedAtMs, isAlone: wasAlone && book.asks === asksBefore });
  } else {
    world.book.count(outcome.status);
    const contradiction = world.book.accept(attempt, outcome, { by: node.process, atMs: world.timeline.nowMs });
    if (contradiction !== null && !world.faults.hasRestored) world.fail("S3", `${attempt.rid}: ${contradiction}`);
  }
  return outcome;
}

class Buyer {
  readonly #world: Scene;
  readonly #random: SeededRandom;
  readonly #habit: Habit;
  readonly #attempt: Attempt;

  constructor(world: Scene, arrival: Arrival) {
    this.#world = world;
    this.#random = createSeededRandom(world.schedule.seed, 1_000 + arrival.buyer);
    this.#habit = arrival.habit;
    // A few buyers come twice under different keys, so that the limit has something to refuse.
    const buyerId = `buyer-${arrival.buyer % 7 === 0 ? arrival.buyer - 1 : arrival.buyer}` as BuyerId;
    this.#attempt = { rid: `rid-${arrival.buyer}` as Rid, buyerId, quantity: arrival.quantity };
  }

  async visit(): Promise<void> {
    if (!(await this.#getUnits())) return;
    await this.#wait(this.#random.below(400));
    switch (this.#habit) {
      case "leave":
        return;
      case "ask_again":
        await this.#wait(this.#random.below(1_500));
        await askOnce(this.#world, this.#attempt, this.#anyNode());
        return;
      case "cancel":
        await this.#atNode((node) => node.orders.cancelHold(this.#attempt));
        return;
      default:
        await this.#goToCheckout();
    }
  }

  /** True when he was told that he has them. Refused for want of stock, he may try once more later. */
  async #getUnits(): Promise<boolean> {
    let refusals = 0;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const outcome = await askOnce(this.#world, this.#attempt, this.#anyNode());
      if (outcome?.kind === "accepted") return true;
      if (outcome?.kind === "refused") {
        refusals += 1;
        if (outcome.reason !== "empty" || refusals > 1) return false;
        await this.#wait(500 + this.#random.below(2_000));
      }
      await this.#wait(50 + this.#random.below(600));
    }
    return false;
  }

  async #goToCheckout(): Promise<void> {
    const order = await this.#waitForOrder();
    if (order === null) return;
    const created = await this.#atNode((node) => node.checkout.checkout(order, ""));
    if (created?.kind !== "created" || this.#habit === "open_payment") return;
    const { holdMs } = this.#world.config;
    if (this.#habit === "pay_late") await this.#wait(holdMs * (0.5 + this.#random.fraction()));
    else await this.#wait(this.#random.below(500));
    const isSlow = this.#random.fraction() < 0.25;
    if (!this.#world.provider.pay(created.paymentId, isSlow)) return;
    if (isSlow) {
      await this.#wait(this.#random.below(1_500));
      this.#world.provider.finish(created.paymentId);
    }
    this.#world.notify(created.paymentId);
  }

  async #waitForOrder(): Promise<Order | null> {
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      const order = await this.#atNode((node) => node.orders.findOrder(this.#attempt.rid));
      if (order?.status === "held") return order;
      if (order !== null) return null;
      await this.#wait(LOOK_INTERVAL_MS);
    }
    return null;
  }

  async #atNode<Answer>(ask: (node: NodeFace) => Promise<Answer>): Promise<Answer | null> {
    const node = this.#anyNode();
    return overTheWire(this.#world, node, () => ask(node), PATIENCE_MS);
  }

  #anyNode(): NodeFace {
    const nodes = [...this.#world.nodes.values()];
    const node = nodes[this.#random.below(nodes.length)];
    if (node === undefined) throw new Error("there is no node");
    return node;
  }

  #wait(delayMs: number): Promise<void> {
    const { timeline, outside } = this.#world;
    return new Promise((resolve) => timeline.after(outside, delayMs, resolve));
  }
}

/** Asks a node; null when it refuses to answer, is gone, or takes too long. What it does then it does all the same. */
function overTheWire<Answer>(
  world: Scene,
  node: NodeFace,
  ask: () => Promise<Answer>,
  patienceMs: number,
): Promise<Answer | null> {
  const { timeline, outside } = world;
  const wayMs = world.random.wire.fraction() * 3;
  return new Promise((resolve) => {
    const giveUp = timeline.after(outside, patienceMs, () => resolve(null));
    const answer = (value: Answer | null) => {
      if (node.process.state === "dead") return;
      timeline.after(outside, wayMs, () => {
        giveUp();
        resolve(value);
      });
    };
    if (node.process.state === "dead") timeline.after(outside, 1, () => resolve(null));
    else
      timeline.after(node.process, wayMs, () => {
        ask().then(answer, () => answer(null));
      });
  });
}
