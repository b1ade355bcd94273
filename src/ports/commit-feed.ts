/**
 * Port: hints that acceptances of a bucket are now committed in Postgres, from workers to the nodes that wait.
 *
 * Promises nothing: a hint may be lost or doubled. Who waits has a deadline and answers 202 when it passes; truth is
 * the order in Postgres. A hint is only ever sent after the commit.
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
}
