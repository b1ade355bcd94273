/**
 * A crowd that keeps asking, remembers every key it used and every answer it heard, and can prove afterwards that what it
 * was promised is still true.
 */
import { type Answer, expectAccepted } from "./answers.ts";
import { Buyer, freshKey } from "./buyer-client.ts";
import type { SessionMint } from "./minted-session.ts";
import { mapBounded } from "./waiting.ts";

/** One attempt and what became of it; `rid` null until an answer promised one. */
export interface RushAttempt {
  readonly buyer: Buyer;
  readonly key: string;
  rid: string | null;
}

export interface RushOptions {
  readonly mint: SessionMint;
  readonly item: { saleId: string; sku: string };
  /** Where the crowd is sent, in turn. */
  readonly buyerUrls: readonly string[];
  readonly concurrencyMax: number;
}

export class Rush {
  readonly attempts: RushAttempt[] = [];
  /** How many answers gave each reason; "201" for acceptances, "broken" for connections that died. */
  readonly counts: Record<string, number> = {};
  /** Every refusal, for a closer look. Bounded by what a test sends. */
  readonly refusals: Answer[] = [];
  readonly #options: RushOptions;
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RushOptions) {
    this.#options = options;
  }

  get acceptedCount(): number {
    return this.counts["201"] ?? 0;
  }

  /** Lets the crowd loose; every buyer asks once. */
  begin(): void {
    const askers = Array.from({ length: this.#options.concurrencyMax }, (_, index) => this.#ask(index));
    this.#running = Promise.all(askers).then(() => undefined);
  }

  /** No new attempts; resolves when the last one has its answer. */
  async end(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** Retries every key at a node: what was promised must be repeated, the rest is decided now. Answers all rids. */
  async proveAt(buyerUrl: string): Promise<Set<string>> {
    const rids = await mapBounded(this.attempts, this.#options.concurrencyMax, async (attempt) => {
      const answer = await attempt.buyer.via(buyerUrl).reserve(this.#options.item, { key: attempt.key });
      if (attempt.rid === null && answer.status !== 201) return null;
      const { rid } = expectAccepted(answer, attempt.rid === null ? {} : { replayed: true });
      if (attempt.rid !== null && rid !== attempt.rid) {
        throw new Error(`key ${attempt.key} was promised ${attempt.rid} and is now ${rid}`);
      }
      attempt.rid = rid;
      return rid as string;
    });
    return new Set(rids.filter((rid) => rid !== null));
  }

  async #ask(index: number): Promise<void> {
    const { buyerUrls, item, mint } = this.#options;
    for (let turn = index; !this.#isStopping; turn += 1) {
      const url = buyerUrls[turn % buyerUrls.length] as string;
      const attempt: RushAttempt = { buyer: new Buyer(url, mint.mint()), key: freshKey(), rid: null };
      this.attempts.push(attempt);
      const answer = await attempt.buyer.reserve(item, { key: attempt.key }).catch((error: unknown) => {
        if (error instanceof Error) return null;
        throw error;
      });
      this.#note(attempt, answer);
    }
  }

  #note(attempt: RushAttempt, answer: Answer | null): void {
    const word =
      answer === null ? "broken" : answer.status === 201 ? "201" : String(answer.json?.reason ?? answer.status);
    this.counts[word] = (this.counts[word] ?? 0) + 1;
    if (answer === null) return;
    if (answer.status === 201) attempt.rid = answer.json.rid;
    else this.refusals.push(answer);
  }
}
