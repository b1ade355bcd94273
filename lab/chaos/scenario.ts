/**
 * What a scenario is: something bad that happens to a stack while a sale runs, and what must hold all the same.
 *
 * The frame around it (load, healing, settling, audit, selling the rest, history) is the same for all: repetition.ts.
 */

import type { Allowances } from "./allowances.ts";
import type { Habits } from "./buyers.ts";
import type { Scene } from "./scene.ts";
import type { StackShape } from "./stack.ts";

/** One way to inflict a scenario. */
export interface Variant {
  readonly name: string;
  readonly shape: StackShape;
  /** Why this machine cannot do it, in words; null when it can. */
  readonly whyNot?: () => string | null;
  /** Injects and, unless the stack's `restore` does it all, heals. Draws moments and victims from the scene. */
  readonly disturb: (scene: Scene) => Promise<void>;
  /** How soon somebody must be able to buy again, and from when that counts. */
  readonly firstSale: { readonly withinMs: number; readonly after: "injection" | "healing" };
  readonly allowances?: Partial<Allowances>;
  /** Of the sale: 1, 2,500, 2 and 1,500 when absent. */
  readonly buckets?: number;
  readonly stock?: number;
  readonly perBuyerMax?: number;
  readonly holdMs?: number;
  /** What buyers ask for; drawn up to the limit when absent. */
  readonly quantity?: number;
  readonly habits?: Habits;
  /** Waits in the end until every payment has arrived; elsewhere one that is late is late. */
  readonly awaitsPayments?: boolean;
  /** How soon after healing the books must balance; L1's ten seconds when absent. */
  readonly settlesWithinMs?: number;
}

export interface Scenario {
  /** "K3". */
  readonly id: string;
  readonly title: string;
  /** As the design says it. */
  readonly mustHold: string;
  /** Repetitions are dealt to them in turn. */
  readonly variants: readonly Variant[];
}

/** From injection to the first sale, by what was hit. */
export const FIRST_SALE_MS = { api: 4_000, worker: 6_000, redis: 10_000, postgres: 15_000 } as const;
