/**
 * Names of buckets and of entries in their streams, as keys of maps in this process. Nobody outside sees them.
 */
import type { BucketEpoch } from "../ports/bucket-store.ts";

/** A bucket in one epoch. */
export function bucketKey({ itemId, bucket, epoch }: BucketEpoch): string {
  return `${itemId}.${bucket}.${epoch}`;
}

/** What the bucket accepted in one call, by its last number. */
export function entryKey({ itemId, bucket, epoch }: BucketEpoch, lastSeq: number): string {
  return `${itemId}.${bucket}.${epoch}.${lastSeq}`;
}
