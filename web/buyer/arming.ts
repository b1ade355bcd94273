/**
 * Getting ready before the opening: the chosen item and quantity are checked by the server now, so that one press at the
 * opening is one small request.
 *
 * Nobody has to: whoever did not get ready buys the ordinary way. Changing the quantity makes one unready, because a pass is
 * good for exactly one wish. What is ready outlives a reload of the tab, like the session it belongs to. The passes
 * themselves are the SDK's work.
 */
import type { ChallengeProgress } from "../../client/clearances.ts";
import type { Doorbuster } from "../../client/doorbuster.ts";
import type { ArmedAttempt } from "../../client/passes.ts";
import { recallArmed, rememberArmed } from "./tab-memory.ts";

/** How far an item is. `quantity` is the one that was asked for. */
export type Readiness =
  | { readonly kind: "checking"; readonly quantity: number }
  | { readonly kind: "ready"; readonly quantity: number; readonly armed: ArmedAttempt }
  | { readonly kind: "refused"; readonly quantity: number; readonly title: string };

export interface ArmingParts {
  readonly shop: Pick<Doorbuster, "arm" | "useArmed" | "session">;
  readonly saleId: string;
  /** Resolves when there is a session. */
  readonly begin: () => Promise<void>;
  readonly onChallenge: (progress: ChallengeProgress) => void;
  /** Solving is over, if there was any. */
  readonly onSolved: () => void;
  /** Asks for a drawing. */
  readonly changed: () => void;
  /** Puts a sentence into the live region. */
  readonly say: (text: string) => void;
  /** An error in words for the buyer. */
  readonly textOf: (error: unknown) => string;
}

/** One per page. */
export class Arming {
  readonly #parts: ArmingParts;
  readonly #items = new Map<string, Readiness>();
  #opensAt: number | null = null;

  constructor(parts: ArmingParts) {
    this.#parts = parts;
  }

  /** How far the wish is; null when it was not asked about, or in another quantity. */
  of(sku: string, quantity: number): Readiness | null {
    const known = this.#items.get(sku);
    return known?.quantity === quantity ? known : null;
  }

  /** The key of the attempt that is ready; null when none is. */
  keyFor(sku: string, quantity: number): string | null {
    const known = this.of(sku, quantity);
    return known?.kind === "ready" ? known.armed.idempotencyKey : null;
  }

  /** When this buyer may buy, as the server said with his last pass; null while it did not. */
  get opensAt(): number | null {
    return this.#opensAt;
  }

  /** Asks the server. Resolves when it has answered: true = ready. Never rejects for what server and network do. */
  async arm(sku: string, quantity: number): Promise<boolean> {
    const { shop, saleId, begin, onChallenge, onSolved, say, textOf } = this.#parts;
    if (this.#items.get(sku)?.kind === "checking") return false;
    this.#set(sku, { kind: "checking", quantity });
    try {
      await begin();
      const armed = await shop.arm({ saleId, sku, quantity, onChallenge });
      this.#set(sku, { kind: "ready", quantity, armed });
      rememberArmed(saleId + sku, { armed, session: shop.session?.token ?? "" });
      say("You are ready. Press the button when the sale opens.");
      return true;
    } catch (error) {
      const title = textOf(error);
      this.#set(sku, { kind: "refused", quantity, title });
      say(title);
      return false;
    } finally {
      onSolved();
    }
  }

  /** Takes up what this tab got ready before a reload, for the session that is in use. */
  recall(skus: readonly string[]): void {
    const { shop, saleId } = this.#parts;
    for (const sku of skus) {
      const known = recallArmed(saleId + sku);
      if (known === null || known.session !== shop.session?.token || this.#items.has(sku)) continue;
      shop.useArmed(known.armed);
      this.#set(sku, { kind: "ready", quantity: known.armed.quantity, armed: known.armed });
    }
  }

  /** The attempt was made, or its session is gone. */
  forget(sku: string): void {
    rememberArmed(this.#parts.saleId + sku, null);
    if (this.#items.delete(sku)) this.#parts.changed();
  }

  #set(sku: string, readiness: Readiness): void {
    this.#items.set(sku, readiness);
    if (readiness.kind === "ready") this.#opensAt = readiness.armed.opensAt;
    this.#parts.changed();
  }
}
