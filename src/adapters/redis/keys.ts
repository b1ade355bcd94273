/**
 * The names of everything the redis ledger keeps in Redis. No other file spells a key.
 *
 * All keys of a bucket carry one hash tag, so that in a Cluster they lie on one server and one script may use them
 * together. The deployment's id comes first, so that two deployments can share a server without meeting. What the keys
 * hold is written in scripts/README.md.
 */
import type { BucketAddress } from "../../ports/bucket-store.ts";
import { hashSlot } from "./hash-slot.ts";

/** How many buckets' names are kept ready. A sale has at most 64 buckets an item. */
const KEPT_MAX = 4_096;

export interface BucketKeys {
  readonly meta: string;
  readonly buyers: string;
  readonly reservations: string;
  readonly leases: string;
  readonly credits: string;
  /** The Cluster's hash slot of all of them. */
  readonly slot: number;
}

/** The keys of one deployment. */
export class LedgerKeys {
  readonly #deployment: string;
  readonly #kept = new Map<string, BucketKeys>();

  constructor(deployment: string) {
    this.#deployment = deployment;
  }

  /** The pub/sub channel on which workers tell what they committed. */
  get commitChannel(): string {
    return `doorbuster:${this.#deployment}:commits`;
  }

  /** The names of a bucket's keys, those of its streams aside. */
  of(address: BucketAddress): BucketKeys {
    const tag = this.#tagOf(address);
    const kept = this.#kept.get(tag);
    if (kept !== undefined) return kept;
    const keys: BucketKeys = {
      meta: `${tag}:meta`,
      buyers: `${tag}:buyers`,
      reservations: `${tag}:reservations`,
      leases: `${tag}:leases`,
      credits: `${tag}:credits`,
      slot: hashSlot(tag.slice(1, -1)),
    };
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(tag, keys);
    return keys;
  }

  /** The stream of what a bucket accepted in an epoch. */
  streamOf(address: BucketAddress, epoch: number): string {
    return `${this.#tagOf(address)}:stream:${epoch}`;
  }

  #tagOf({ itemId, bucket }: BucketAddress): string {
    return `{${this.#deployment}.${itemId}.${bucket}}`;
  }
}
