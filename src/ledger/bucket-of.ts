/**
 * Which bucket of an item a buyer belongs to: always the same one, on every node and in every process.
 *
 * A buyer's limit and his repeats are checked inside one bucket, so the answer may depend on nothing but his id and the
 * number of buckets, which never changes while a sale lives. FNV-1a: cheap, and even enough over random ids.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The home bucket of a buyer, from 0 to `buckets` - 1. */
export function bucketOf(buyerId: string, buckets: number): number {
  if (buckets <= 1) return 0;
  let hash = FNV_OFFSET;
  for (let index = 0; index < buyerId.length; index += 1) {
    hash = Math.imul(hash ^ buyerId.charCodeAt(index), FNV_PRIME);
  }
  return (hash >>> 0) % buckets;
}
