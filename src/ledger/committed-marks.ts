/**
 * Keeps each bucket's stream as short as is safe: says how far Postgres has come, and forgets what is old and committed.
 *
 * The mark is what a restored Postgres is compared with: a database that lacks a number below it went back in time. An
 * entry is deleted when every number up to its own is an order and was so for a quarter of an hour; until then it
 * can be played again (orders/stream-recovery.ts).
 */
import type { BucketEpoch, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";

/** Committed entries are kept for this long at least. */
export const RETENTION_MS_MIN = 15 * 60_000;
const TRIM_INTERVAL_MS = 60_000;

interface Reached {
  readonly seq: number;
  readonly atMs: number;
}

interface Marks {
  markedSeq: number;
  /** Oldest first, at most one for each trim interval. */
  reached: Reached[];
}

/** See the head of this file. */
export class CommittedMarks {
  readonly #store: Pick<BucketStore, "markCommitted" | "trim">;
  readonly #clock: Clock;
  readonly #marks = new Map<string, Marks>();

  constructor(parts: { store: Pick<BucketStore, "markCommitted" | "trim">; clock: Clock }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
  }

  /** Every number up to `provenSeq` is an order. Throws the faults of the store. */
  async reached(address: BucketEpoch, provenSeq: number): Promise<void> {
    const key = `${address.itemId}.${address.bucket}.${address.epoch}`;
    const marks = this.#marks.get(key) ?? { markedSeq: 0, reached: [] };
    this.#marks.set(key, marks);
    if (provenSeq > marks.markedSeq) {
      await this.#store.markCommitted({ ...address, seq: provenSeq });
      marks.markedSeq = provenSeq;
    }
    const nowMs = this.#clock.monotonicMs();
    const newest = marks.reached.at(-1);
    if (provenSeq > (newest?.seq ?? 0) && nowMs - (newest?.atMs ?? Number.NEGATIVE_INFINITY) >= TRIM_INTERVAL_MS) {
      marks.reached.push({ seq: provenSeq, atMs: nowMs });
    }
    const old = marks.reached.filter((mark) => nowMs - mark.atMs >= RETENTION_MS_MIN).at(-1);
    if (old === undefined) return;
    await this.#store.trim({ ...address, throughSeq: old.seq });
    marks.reached = marks.reached.filter((mark) => mark.atMs > old.atMs);
  }

  /** Forgets buckets of epochs that are over. */
  forget(address: BucketEpoch): void {
    this.#marks.delete(`${address.itemId}.${address.bucket}.${address.epoch}`);
  }
}
