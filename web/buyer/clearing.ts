/**
 * The sale's challenge on the page: solved quietly before the opening, so that the click at the opening is one request.
 *
 * It begins some minutes before the sale opens, each page at its own moment, and again when a clearance ends while the sale
 * is on. A failure is no news: the attempt itself is asked for a challenge when one is needed, and tells how that goes here
 * as well. Solving is challenge-solver.ts's, what the page shows is challenge-panel.tsx's.
 */
import { WORK_KIND } from "../../client/challenge.ts";
import type { ChallengeProgress } from "../../client/clearances.ts";
import type { SaleDocument } from "../../client/contract.ts";
import type { Doorbuster } from "../../client/doorbuster.ts";
import { saleStateNow } from "./buy-button.ts";
import { Questions } from "./questions.ts";
import { recallClearance, rememberClearance } from "./tab-memory.ts";

/** Within the quarter of an hour that a clearance usually lasts. */
const AHEAD_MS_MAX = 480_000;
const AHEAD_MS_MIN = 180_000;
/** After a failure. */
const PAUSE_MS = 30_000;

export interface ClearingParts {
  readonly shop: Pick<Doorbuster, "session" | "prepare" | "clearanceOf" | "useClearance">;
  readonly saleId: string;
  /** Asks for a drawing. */
  readonly changed: () => void;
  /** Puts a sentence into the live region. */
  readonly say: (text: string) => void;
  /** Uniform in [0, 1): spreads the moment at which a waiting crowd begins. */
  readonly chance: number;
}

export class Clearing {
  /** What is being solved and how far; null while nothing is. */
  progress: ChallengeProgress | null = null;
  /** What the person has to solve himself. */
  readonly questions: Questions;
  readonly #parts: ClearingParts;
  #isPreparing = false;
  #notBeforeMs = 0;

  constructor(parts: ClearingParts) {
    this.#parts = parts;
    const { changed, say } = parts;
    this.questions = new Questions({ changed, say, isUrgent: () => !this.#isPreparing });
  }

  /** For every call of the SDK that may solve. */
  readonly onChallenge = (progress: ChallengeProgress): void => {
    if (this.progress === null && progress.challenge.kind === WORK_KIND)
      this.#parts.say("A short check is running. Nothing to do for you.");
    this.progress = progress;
    this.#parts.changed();
  };

  /** Takes up what this tab earned before a reload, for the session that is in use. */
  recall(): void {
    const { shop, saleId } = this.#parts;
    const known = recallClearance(saleId);
    if (known !== null && known.session === shop.session?.token) shop.useClearance(known.clearance);
  }

  /** Solves ahead if the sale may ask and the time has come. Call it as often as you like; never rejects. */
  async prepare(sale: SaleDocument, now: number): Promise<void> {
    const { shop, saleId } = this.#parts;
    if (this.#isPreparing || !this.#isDue(sale, now) || shop.clearanceOf(saleId) !== null) return;
    this.#isPreparing = true;
    try {
      await shop.prepare({ saleId, onChallenge: this.onChallenge });
    } catch (error) {
      // The attempt will be asked if it must; what a person has to know is said then.
      if (!(error instanceof Error)) throw error;
      this.#notBeforeMs = now + PAUSE_MS;
    }
    this.#isPreparing = false;
    this.end();
  }

  /** Nothing is being solved any more. */
  end(): void {
    const { shop, saleId, say, changed } = this.#parts;
    const clearance = shop.clearanceOf(saleId);
    this.questions.end();
    if (clearance !== null && shop.session !== null) {
      rememberClearance(saleId, { clearance, session: shop.session.token });
    }
    if (this.progress === null) return;
    if (clearance !== null) say("The check is done.");
    this.progress = null;
    changed();
  }

  #isDue(sale: SaleDocument, now: number): boolean {
    const state = saleStateNow(sale, now);
    if (sale.challenge === "none" || state === "closed" || state === "sold_out" || now < this.#notBeforeMs)
      return false;
    const aheadMs = AHEAD_MS_MIN + (AHEAD_MS_MAX - AHEAD_MS_MIN) * this.#parts.chance;
    return sale.opensAt - now <= aheadMs;
  }
}
