/**
 * One attempt of a buyer at a time, per sale: a second one, with another key, waits until the first has its answer.
 *
 * The limit per buyer holds in the ledger whatever happens; this keeps one account from filling the batches with attempts
 * that can only cancel each other out. The same key again is the same attempt and always goes on. The list is as long as
 * what is in flight, which stage 1 bounds.
 */
import type { BuyerId, SaleId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import { prepareRefusal } from "../refusal-answers.ts";

/** About as long as an answer takes. */
const WAIT_MS = 250;
const ANOTHER_IS_LIVE: Refusal = prepareRefusal({
  reason: "throttled",
  retryAfterMs: WAIT_MS,
  extra: { rule: "one_at_a_time" },
});

interface Live {
  readonly key: string;
  /** How often the same attempt is in flight. */
  count: number;
}

/** See the head of this file. */
export class LiveAttempts {
  readonly #live = new Map<string, Live>();

  /** Null when the attempt may go on; then {@link end} must follow. */
  begin(attempt: { saleId: SaleId; buyerId: BuyerId; key: string }): Refusal | null {
    const name = nameOf(attempt);
    const live = this.#live.get(name);
    if (live === undefined) this.#live.set(name, { key: attempt.key, count: 1 });
    else if (live.key === attempt.key) live.count += 1;
    else return ANOTHER_IS_LIVE;
    return null;
  }

  end(attempt: { saleId: SaleId; buyerId: BuyerId }): void {
    const name = nameOf(attempt);
    const live = this.#live.get(name);
    if (live === undefined) return;
    live.count -= 1;
    if (live.count === 0) this.#live.delete(name);
  }

  get size(): number {
    return this.#live.size;
  }
}

/** Ids contain no space. */
function nameOf({ saleId, buyerId }: { saleId: SaleId; buyerId: BuyerId }): string {
  return `${buyerId} ${saleId}`;
}
