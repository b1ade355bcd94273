/**
 * Rows of an entry that nobody can read: kept for people, and looked up by their number in what the bucket remembers.
 *
 * What cannot be found here leaves a gap in the numbers, and the gap audit settles it later.
 */
import { isFault } from "../domain/faults.ts";
import { type Books, COMMIT_ROWS_MAX, type CommitRow } from "../ports/books.ts";
import type { BucketEpoch, BucketStore, StreamEntry } from "../ports/bucket-store.ts";
import type { Log } from "../ports/telemetry.ts";
import type { EntryBatch } from "./entry-rows.ts";

export interface UnreadableRows {
  /** The rows that could be found by their number after all. Throws what the books throw. */
  rescue(address: BucketEpoch, batch: EntryBatch): Promise<readonly CommitRow[]>;
}

export function createUnreadableRows(parts: {
  store: Pick<BucketStore, "findBySeq">;
  books: Pick<Books, "recordDeadLetter">;
  log: Log;
}): UnreadableRows {
  const { store, books, log } = parts;

  async function lookUp(address: BucketEpoch, entry: StreamEntry, seq: number): Promise<CommitRow | null> {
    const { itemId, bucket, epoch } = address;
    try {
      const known = await store.findBySeq({ itemId, bucket, epoch, seq });
      if (known === null) return null;
      const { rid, buyerId, quantity, acceptedAtMs } = known;
      return { seq, rid, buyerId, quantity, promisedUntil: acceptedAtMs + entry.holdMs };
    } catch (error) {
      if (!isFault(error)) throw error;
      log.warn({ itemId, bucket, epoch, seq, error }, "an unreadable row could not be looked up; the gap audit will");
      return null;
    }
  }

  return {
    async rescue(address, batch) {
      const { itemId, bucket, epoch } = address;
      const found = new Map<string, CommitRow>();
      for (const entry of batch.entries) {
        for (const { seq, text } of entry.unreadable) {
          log.error({ itemId, bucket, epoch, seq, text }, "a row of a bucket's stream cannot be read");
          await books.recordDeadLetter({ itemId, bucket, epoch, seq, text, error: "cannot be read" });
          const row = seq === null ? null : await lookUp(address, entry, seq);
          if (row !== null) found.set(row.rid, row);
        }
      }
      for (const { rid } of batch.rows) found.delete(rid);
      return [...found.values()].slice(0, COMMIT_ROWS_MAX - batch.rows.length);
    },
  };
}
