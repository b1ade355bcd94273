/**
 * Commits what is left in the streams of a sale whose gates are closed, so that as few acceptances as possible are lost.
 *
 * It reads the streams themselves from the last number known to be committed, pending or not, so it waits for no
 * worker and needs nobody's share. Bounded in time: what is not committed then is lost to the fence, never oversold. While
 * Postgres is away nobody could sell anyway, so that time counts less.
 */
import { isFault } from "../domain/faults.ts";
import type { Sale } from "../domain/sale.ts";
import type { BucketStore, StreamEntry } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";
import type { BatchCommitter } from "./batch-committer.ts";
import { forEachBounded } from "./bounded.ts";
import type { LaneAddress } from "./commit-lane.ts";
import { takeBatch } from "./entry-rows.ts";

/** A drain takes at most so long of the time in which Postgres answers: buyers wait for its end. */
export const DRAIN_MS_MAX = 5_000;
/** Whatever happens: nobody who ends the process waits longer. */
const DRAIN_MS_LONGEST = 10_000;
/** A Postgres that is back is noticed within this. */
const COMMIT_RETRY_MS_MAX = 250;
const BUCKETS_IN_FLIGHT_MAX = 4;
const ENTRIES_PER_READ = 128;
/** Calls of Redis that get no answer are made so often: a server that is away must not hold the fence up. */
const TRIES_MAX = 4;
const RETRY_DELAY_MS = 50;

export interface StreamDrainParts {
  readonly store: Pick<BucketStore, "audit" | "readFrom" | "acknowledge">;
  readonly committer: BatchCommitter;
  readonly clock: Clock;
  readonly log: Log;
  readonly onCommitted: () => void;
}

/** See the head of this file. */
export class StreamDrain {
  readonly #parts: StreamDrainParts;

  constructor(parts: StreamDrainParts) {
    this.#parts = parts;
  }

  async run(sale: Sale): Promise<void> {
    const { clock, log } = this.#parts;
    const startedAtMs = clock.monotonicMs();
    let answersSinceMs = startedAtMs;
    const isInTime = (): boolean => {
      const nowMs = clock.monotonicMs();
      if (this.#parts.committer.isDatabaseAway) answersSinceMs = nowMs;
      return nowMs - answersSinceMs < DRAIN_MS_MAX && nowMs - startedAtMs < DRAIN_MS_LONGEST;
    };
    const addresses: LaneAddress[] = sale.items.flatMap(({ itemId }) =>
      Array.from({ length: sale.buckets }, (_, bucket) => ({ saleId: sale.id, itemId, bucket, epoch: sale.epoch })),
    );
    let rows = 0;
    await forEachBounded(addresses, BUCKETS_IN_FLIGHT_MAX, async (address) => {
      rows += await this.#drainBucket(address, isInTime);
    });
    const tookMs = Math.round(clock.monotonicMs() - startedAtMs);
    log.info({ saleId: sale.id, epoch: sale.epoch, rows, tookMs, isComplete: isInTime() }, "streams were drained");
  }

  async #drainBucket(address: LaneAddress, isInTime: () => boolean): Promise<number> {
    const { store } = this.#parts;
    const audit = await this.#ask(() => store.audit(address), isInTime);
    // A bucket that is gone has nothing to say from where on; one of another epoch has nothing of ours.
    if (audit !== null && audit.epoch !== address.epoch) return 0;
    let afterSeq = audit?.committedSeq ?? 0;
    let rows = 0;
    while (isInTime()) {
      const request = { ...address, afterSeq, entriesMax: ENTRIES_PER_READ };
      const entries = await this.#ask(() => store.readFrom(request), isInTime);
      const last = entries.at(-1);
      if (last === undefined) return rows;
      const done = await this.#commit(address, entries, isInTime);
      if (done === null) return rows;
      rows += done;
      afterSeq = last.lastSeq;
    }
    return rows;
  }

  /** Null: the epoch is over. */
  async #commit(
    address: LaneAddress,
    entries: readonly StreamEntry[],
    isInTime: () => boolean,
  ): Promise<number | null> {
    const { store, committer, onCommitted } = this.#parts;
    const waiting = [...entries];
    let rows = 0;
    while (waiting.length > 0) {
      const batch = takeBatch(waiting);
      const rowBatch = { ...address, rows: batch.rows, isWanted: isInTime, retryDelayMsMax: COMMIT_RETRY_MS_MAX };
      const fates = await committer.commit(rowBatch);
      if (fates.some((fate) => fate.kind === "fenced")) return null;
      onCommitted();
      rows += batch.rows.length;
      const decided = batch.entries.filter(isReadable);
      if (fates.some((fate) => fate.kind === "seq_taken") || decided.length === 0) continue;
      const lastSeqs = decided.map((entry) => entry.lastSeq);
      await this.#ask(() => store.acknowledge({ ...address, lastSeqs }), isInTime);
    }
    return rows;
  }

  /** What is not read now is lost to the fence, so one answer that got lost is not the end of it. */
  async #ask<Answer>(call: () => Promise<Answer>, isInTime: () => boolean): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        if (!isFault(error) || !error.retryable || tries >= TRIES_MAX || !isInTime()) throw error;
      }
      await new Promise<void>((resolve) => this.#parts.clock.setTimer(RETRY_DELAY_MS * tries, resolve));
    }
  }
}

/** Entries with rows that cannot be read are left to the lanes, which know what to do with them. */
function isReadable(entry: StreamEntry): boolean {
  return entry.unreadable.length === 0;
}
