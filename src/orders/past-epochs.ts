/**
 * Looks through the streams of epochs that are over for acceptances that no worker came to in time.
 *
 * Such a stream does not grow any more, so it is left alone for good after it was found empty a few times. Each process
 * looks for itself: a worker that starts after a fence finds what the ones before it left behind.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import { bucketKey } from "../ledger/bucket-key.ts";
import type { BucketEpoch, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import type { LostAcceptances } from "./lost-acceptances.ts";

/** Epochs back that are looked at: a return to redis mode takes two. */
const EPOCHS_BACK = 2;
/** The one before it is the one in which a sale begins: Postgres decides in it, and nobody writes to a stream. */
const FIRST_EPOCH_IN_REDIS = 2;
const LOOK_INTERVAL_MS = 3_000;
/** What a worker has in its hands is left to it for so long. */
const IDLE_MS_MIN = 5_000;
const EMPTY_LOOKS_MAX = 4;
const ENTRIES_PER_LOOK = 256;
/** A sale that ended so long ago has no buyer waiting. */
const SALE_AGE_MS_MAX = 3_600_000;

type PastStream = BucketEpoch & { readonly saleId: SaleId };

export interface PastEpochsParts {
  readonly store: Pick<BucketStore, "readNew" | "claimStale">;
  readonly sales: Pick<SaleDirectory, "listSales">;
  readonly lost: LostAcceptances;
  readonly consumerId: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the head of this file. */
export class PastEpochs {
  readonly #parts: PastEpochsParts;
  /** How often each stream was found empty in a row. */
  readonly #emptyLooks = new Map<string, number>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: PastEpochsParts) {
    this.#parts = parts;
  }

  /** One look, at most every few seconds. A store that does not answer is asked again later. */
  async look(): Promise<void> {
    const { clock, sales, log } = this.#parts;
    if (clock.monotonicMs() - this.#lookedAtMs < LOOK_INTERVAL_MS) return;
    this.#lookedAtMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const streams = new Map(
      sales
        .listSales()
        .filter((sale) => nowMs - (sale.closedAt ?? sale.closesAt) < SALE_AGE_MS_MAX)
        .flatMap(pastStreamsOf),
    );
    for (const key of this.#emptyLooks.keys()) if (!streams.has(key)) this.#emptyLooks.delete(key);
    for (const [key, stream] of streams) {
      const empty = this.#emptyLooks.get(key) ?? 0;
      if (empty >= EMPTY_LOOKS_MAX) continue;
      try {
        this.#emptyLooks.set(key, (await this.#collect(stream)) ? 0 : empty + 1);
      } catch (error) {
        if (!isFault(error)) throw error;
        log.debug({ ...stream, error }, "the stream of an epoch that is over could not be read");
        return;
      }
    }
  }

  async #collect(stream: PastStream): Promise<boolean> {
    const { store, lost, consumerId } = this.#parts;
    const request = { ...stream, consumerId, entriesMax: ENTRIES_PER_LOOK };
    const fresh = await store.readNew(request);
    const stale = await store.claimStale({ ...request, idleMsMin: IDLE_MS_MIN });
    lost.add(stream, [...fresh, ...stale.entries]);
    return fresh.length + stale.entries.length + stale.lostLastSeqs.length > 0;
  }
}

function pastStreamsOf(sale: Sale): (readonly [string, PastStream])[] {
  const first = Math.max(FIRST_EPOCH_IN_REDIS, sale.epoch - EPOCHS_BACK);
  const epochs = Array.from({ length: Math.max(0, sale.epoch - first) }, (_, index) => first + index);
  return epochs.flatMap((epoch) =>
    sale.items.flatMap(({ itemId }) =>
      Array.from({ length: sale.buckets }, (_, bucket) => {
        const stream = { saleId: sale.id, itemId, bucket, epoch };
        return [bucketKey(stream), stream] as const;
      }),
    ),
  );
}
