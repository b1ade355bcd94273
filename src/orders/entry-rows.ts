/**
 * From entries of a bucket's stream to batches for one transaction: whole entries only, so that each can be acknowledged.
 */
import { COMMIT_ROWS_MAX, type CommitRow } from "../ports/books.ts";
import type { StreamEntry } from "../ports/bucket-store.ts";

/** A batch is sent when it has this many rows; one entry more still fits into COMMIT_ROWS_MAX. */
export const BATCH_ROWS_TARGET = 500;

/** The rows of an entry with the time their buyers were promised. */
export function rowsOf(entry: StreamEntry): readonly CommitRow[] {
  const promisedUntil = entry.acceptedAtMs + entry.holdMs;
  return entry.rows.map((row) => ({ ...row, promisedUntil }));
}

export interface EntryBatch {
  readonly entries: readonly StreamEntry[];
  readonly rows: readonly CommitRow[];
}

/**
 * Takes the next batch off the front of the list. A rid that the batch already has ends it: a bucket that forgot may have
 * accepted an attempt twice, and one statement can judge only one of them.
 */
export function takeBatch(waiting: StreamEntry[]): EntryBatch {
  const entries: StreamEntry[] = [];
  const rows = new Map<string, CommitRow>();
  for (let entry = waiting[0]; entry !== undefined; entry = waiting[0]) {
    const more = rowsOf(entry);
    const isFull = rows.size >= BATCH_ROWS_TARGET || rows.size + more.length > COMMIT_ROWS_MAX;
    if (entries.length > 0 && (isFull || more.some((row) => rows.has(row.rid)))) break;
    for (const row of more.slice(0, COMMIT_ROWS_MAX)) if (!rows.has(row.rid)) rows.set(row.rid, row);
    entries.push(entry);
    waiting.shift();
  }
  return { entries, rows: [...rows.values()] };
}

/** Rows in a list of entries. */
export function countRows(entries: readonly StreamEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.rows.length, 0);
}
