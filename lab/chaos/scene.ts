/**
 * One repetition as a scenario sees it: the stack, the buyers at the doors, the dice, and the marks it has to set.
 *
 * `injected` and `healed` are what downtime and recovery count from; a repetition in which nothing was injected proves
 * nothing and fails. `expect` is for what only the scenario knows to be true.
 */

import { waitUntil } from "../../test/support/waiting.ts";
import type { SeededRandom } from "../swarm/seeded-random.ts";
import { wait } from "../swarm/system-clock.ts";
import type { Buyers } from "./buyers.ts";
import type { OperatorDesk } from "./operator-desk.ts";
import type { ChaosNode, ChaosStack } from "./stack.ts";

const NS_PER_MS = 1_000_000;
/** Well above every limit: what takes longer is a hang, and fails the repetition. */
const SELLS_WITHIN_MS = 45_000;

export interface SceneParts {
  readonly stack: ChaosStack;
  readonly buyers: Buyers;
  readonly desk: OperatorDesk;
  readonly random: SeededRandom;
  readonly saleId: string;
}

/** See the file comment. */
export class Scene {
  readonly stack: ChaosStack;
  readonly buyers: Buyers;
  readonly desk: OperatorDesk;
  readonly random: SeededRandom;
  readonly saleId: string;
  readonly injections: string[] = [];
  /** What the scenario itself found wrong. */
  readonly objections: string[] = [];
  injectedNs: number | null = null;
  healedNs: number | null = null;

  constructor(parts: SceneParts) {
    this.stack = parts.stack;
    this.buyers = parts.buyers;
    this.desk = parts.desk;
    this.random = parts.random;
    this.saleId = parts.saleId;
  }

  /** Something bad just happened. The first mark counts for the downtime. */
  injected(what: string): void {
    this.injections.push(what);
    this.injectedNs ??= this.buyers.nowNs();
  }

  /** The world is well again. The last mark counts. */
  healed(): void {
    this.healedNs = this.buyers.nowNs();
  }

  expect(isTrue: boolean, otherwise: string): void {
    if (!isTrue) this.objections.push(otherwise);
  }

  /** How long a fault lasts. */
  async last(durationMs: number): Promise<void> {
    await wait(this.stack.clock, durationMs);
  }

  /** A duration from the interval. */
  between(lowMs: number, highMs: number): number {
    return lowMs + this.random.below(highMs - lowMs + 1);
  }

  pick<Thing>(things: readonly Thing[]): Thing {
    const thing = things[this.random.below(things.length)];
    if (thing === undefined) throw new Error("nothing to pick from");
    return thing;
  }

  /** Some of the things, at least one, in their order. */
  pickSome<Thing>(things: readonly Thing[]): readonly Thing[] {
    const some = things.filter(() => this.random.fraction() < 0.5);
    return some.length > 0 ? some : [this.pick(things)];
  }

  /** Waits until that many more attempts were accepted. */
  async untilSold(more: number): Promise<void> {
    const enough = this.buyers.acceptedCount + more;
    await waitUntil(`${more} more acceptances`, () => this.buyers.acceptedCount >= enough, {
      withinMs: SELLS_WITHIN_MS,
      everyMs: 3,
    });
  }

  /** Waits until somebody bought who came after the injection (or the instant), and answers how long that took. */
  async untilSelling(sinceNs = this.injectedNs ?? 0): Promise<number> {
    const boughtNs = await waitUntil("the sale to go on", () => this.buyers.firstAcceptanceAfterNs(sinceNs), {
      withinMs: SELLS_WITHIN_MS,
      everyMs: 5,
    });
    return (boughtNs - sinceNs) / NS_PER_MS;
  }

  /** Many more visitors, until the buyers go home. */
  press(factor: number): void {
    this.buyers.press(factor);
  }

  /** `kill -9` of a node; payments' pages are led to a living one. */
  async kill(node: ChaosNode): Promise<void> {
    await node.shop.kill();
    this.stack.leadFront();
  }

  /** Starts nodes again, as a supervisor would. */
  async restart(nodes: readonly ChaosNode[]): Promise<void> {
    await Promise.all(nodes.map((node) => node.shop.restart()));
    this.stack.leadFront();
  }
}
