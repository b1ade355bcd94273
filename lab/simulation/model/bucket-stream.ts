/**
 * A bucket's stream restated: delivering entries to workers, claiming what others left, acknowledging and trimming.
 *
 * An entry stays in the stream until it is trimmed and stays pending until it is acknowledged; the two are independent,
 * which is why an entry can be pending and gone.
 */
import type { ClaimedEntries, StreamEntry } from "../../../src/ports/bucket-store.ts";
import type { StreamData } from "./bucket-data.ts";

/** Entries nobody was given yet; they are pending for this consumer afterwards. */
export function readNew(
  stream: StreamData,
  request: { readonly consumerId: string; readonly entriesMax: number },
  nowMs: number,
): readonly StreamEntry[] {
  const entries = stream.entries.filter((entry) => entry.lastSeq > stream.deliveredSeq).slice(0, request.entriesMax);
  for (const entry of entries) {
    stream.deliveredSeq = entry.lastSeq;
    stream.pending.set(entry.lastSeq, { consumerId: request.consumerId, takenAtMs: nowMs });
  }
  return entries;
}

/**
 * Pending entries that were left alone for long enough, oldest first; those that do not exist any more are reported
 * however long ago they were taken.
 */
export function claimStale(
  stream: StreamData,
  request: { readonly consumerId: string; readonly idleMsMin: number; readonly entriesMax: number },
  nowMs: number,
): ClaimedEntries {
  const entries: StreamEntry[] = [];
  const lostLastSeqs: number[] = [];
  for (const [lastSeq, pending] of [...stream.pending].sort(([left], [right]) => left - right)) {
    if (entries.length + lostLastSeqs.length >= request.entriesMax) break;
    const entry = stream.entries.find((candidate) => candidate.lastSeq === lastSeq);
    if (entry === undefined) {
      stream.pending.delete(lastSeq);
      lostLastSeqs.push(lastSeq);
    } else if (nowMs - pending.takenAtMs >= request.idleMsMin) {
      stream.pending.set(lastSeq, { consumerId: request.consumerId, takenAtMs: nowMs });
      entries.push(entry);
    }
  }
  return { entries, lostLastSeqs };
}

export function acknowledge(stream: StreamData, lastSeqs: readonly number[]): void {
  for (const lastSeq of lastSeqs) stream.pending.delete(lastSeq);
}

export function readFrom(
  stream: StreamData,
  request: { readonly afterSeq: number; readonly entriesMax: number },
): readonly StreamEntry[] {
  return stream.entries.filter((entry) => entry.lastSeq > request.afterSeq).slice(0, request.entriesMax);
}

/** Deletes entries up to and including the number; what was pending stays pending. */
export function trim(stream: StreamData, throughSeq: number): void {
  stream.entries = stream.entries.filter((entry) => entry.lastSeq > throughSeq);
}
