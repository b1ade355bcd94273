/**
 * Port: hints between the nodes whose buckets accept and the workers that commit: there is something to commit, and back, it
 * is committed in Postgres.
 *
 * Promises nothing: a hint may be lost or doubled. Who waits for a commit has a deadline and answers 202 when it passes; truth
 * is the order in Postgres, and a worker that is not woken asks by itself. A hint of a commit is only ever sent after it.
 */
import type { BucketEpoch } from "./bucket-store.ts";

/** Everything from `firstSeq` to `lastSeq` of one stream entry was decided. */
export interface CommitHint extends BucketEpoch {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When these holds end, milliseconds since the epoch; null when not all of the entry became holds (ask Postgres). */
  readonly holdUntil: number | null;
}

export interface CommitFeed {
  publish(hints: readonly CommitHint[]): void;
  /** Calls back for each hint until the returned function is called. The callback must not throw or block. */
  subscribe(listener: (hint: CommitHint) => void): () => void;
  /** Something was accepted after a quiet while: workers, who ask a quiet bucket only now and then, should ask at once. */
  wake(bucket: BucketEpoch): void;
  /** Calls back for each {@link wake} until the returned function is called. The callback must not throw or block. */
  onWake(listener: (bucket: BucketEpoch) => void): () => void;
}
