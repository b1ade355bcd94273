/**
 * What workers find in the stream of an epoch that is over: acceptances that can never become orders any more.
 *
 * Their units came home with the fence. Nodes that still wait for them send the same rids again in the new epoch, and
 * that chance comes first; only what is still no order after it is recorded as lost, so that its buyer hears an end (S5).
 * An entry stays pending until that is on record: whoever dies meanwhile is followed by another worker. While this
 * process does not know of a later epoch nothing is recorded: then Postgres may be the one that went back in time.
 */
import type { SaleId } from "../domain/ids.ts";
import type { Books } from "../ports/books.ts";
import type { BucketEpoch, BucketStore, StreamEntry } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import { countRows, takeBatch } from "./entry-rows.ts";

/** How long nodes have to send an acceptance again before it is recorded as lost. */
export const RESUBMISSION_MS_MAX = 10_000;
/** Rows kept in memory; what comes beyond stays pending and is met again. */
const ROWS_MAX = 100_000;

interface Waiting {
  readonly address: BucketEpoch & { readonly saleId: SaleId };
  readonly entries: readonly StreamEntry[];
  readonly dueAtMs: number;
}

export interface LostParts {
  readonly store: Pick<BucketStore, "acknowledge">;
  readonly books: Pick<Books, "recordLost">;
  readonly sales: Pick<SaleDirectory, "findSale">;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after something was recorded. */
  readonly onRecorded: () => void;
}

/** See the head of this file. */
export class LostAcceptances {
  readonly #parts: LostParts;
  readonly #known = new Set<string>();
  #waiting: Waiting[] = [];
  #rowCount = 0;

  constructor(parts: LostParts) {
    this.#parts = parts;
  }

  /** Rows that wait for their end. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /** Takes entries of a fenced epoch. Those it knows already are skipped. */
  add(address: BucketEpoch & { readonly saleId: SaleId }, entries: readonly StreamEntry[]): void {
    const fresh = entries.filter((entry) => !this.#known.has(keyOf(address, entry)));
    if (fresh.length === 0 || this.#rowCount + countRows(fresh) > ROWS_MAX) return;
    for (const entry of fresh) this.#known.add(keyOf(address, entry));
    this.#rowCount += countRows(fresh);
    this.#waiting.push({ address, entries: fresh, dueAtMs: this.#parts.clock.monotonicMs() + RESUBMISSION_MS_MAX });
  }

  /** Records what is due. Throws what the books or the store throw; nothing is forgotten then. */
  async recordDue(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const waiting of this.#waiting.filter((candidate) => candidate.dueAtMs <= nowMs)) {
      if (!this.#isOver(waiting.address)) continue;
      await this.#record(waiting);
      this.#forget(waiting);
    }
  }

  /** Only a later epoch proves that this one is over. */
  #isOver(address: { saleId: SaleId; epoch: number }): boolean {
    const sale = this.#parts.sales.findSale(address.saleId);
    return sale !== null && sale.epoch > address.epoch;
  }

  async #record({ address, entries }: Waiting): Promise<void> {
    const { books, store, log } = this.#parts;
    const rest = [...entries];
    let lost = 0;
    while (rest.length > 0) lost += await books.recordLost({ ...address, rows: takeBatch(rest).rows });
    if (lost > 0) {
      const { saleId, itemId, bucket, epoch } = address;
      log.warn({ saleId, itemId, bucket, epoch, orders: lost }, "acceptances of an epoch that is over were lost");
      this.#parts.onRecorded();
    }
    await store.acknowledge({ ...address, lastSeqs: entries.map((entry) => entry.lastSeq) });
  }

  #forget(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    this.#rowCount -= countRows(waiting.entries);
    for (const entry of waiting.entries) this.#known.delete(keyOf(waiting.address, entry));
  }
}

function keyOf(address: BucketEpoch, entry: StreamEntry): string {
  return `${address.itemId}.${address.bucket}.${address.epoch}.${entry.lastSeq}`;
}
