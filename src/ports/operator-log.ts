/**
 * Port: the operators' log, append-only and chained (domain/operator-log.ts).
 *
 * Promises: entries of all nodes form one chain without gaps; an entry that was answered is committed and never changes.
 * When the outcome of `append` is unknown (DATABASE_UNAVAILABLE) the entry may be there: a change that had to be logged
 * first is then not made. Does not judge what is worth an entry, nor keep secrets out: callers do.
 */
import type { LogEntry, LogHead } from "../domain/operator-log.ts";

export interface OperatorLog {
  /** `entry` is JSON of bounded length. */
  append(entry: string): Promise<LogHead>;
  /** Oldest first, those with a greater number than `afterSeq`; at most `rowsMax`. */
  read(request: { afterSeq: number; rowsMax: number }): Promise<readonly LogEntry[]>;
  /** Where the chain ends by its own record. */
  head(): Promise<LogHead>;
}
