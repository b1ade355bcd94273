/**
 * Where a key's figures lie in arrays of fixed size: a set-associative index that never grows.
 *
 * A key is two words of a keyed hash, so nobody can aim at another's slot. A full set gives up the slot whose figures
 * are worth least, which under a flood of new keys is one of the flood's own. What a slot holds, and what it is worth, is
 * the business of whoever owns the table.
 */

const WAYS = 8;

/** What the owner of a table says about its slots. */
export interface SlotOwner {
  /** How much would be lost with the slot; 0 = nothing. */
  worthOf(slot: number, nowMs: number): number;
  /** The slot belongs to a new key now. */
  clear(slot: number, nowMs: number): void;
}

/** Two words of a hash: a key without its name. */
export interface HashedKey {
  readonly high: number;
  readonly low: number;
}

export class SlotTable {
  /** Slots there are. */
  readonly size: number;
  readonly #keys: Uint32Array;
  readonly #setMask: number;
  readonly #owner: SlotOwner;

  /** `entriesMax` is rounded up to a power of two. */
  constructor(options: { entriesMax: number; owner: SlotOwner }) {
    const sets = 2 ** Math.ceil(Math.log2(Math.max(1, options.entriesMax / WAYS)));
    this.size = sets * WAYS;
    this.#setMask = sets - 1;
    this.#keys = new Uint32Array(this.size * 2);
    this.#owner = options.owner;
  }

  /** The slot of a key, or -1 when the table knows nothing of it. */
  find(key: HashedKey): number {
    const first = markOf(key);
    const start = (key.low & this.#setMask) * WAYS;
    for (let slot = start; slot < start + WAYS; slot += 1) {
      if (this.#keys[slot * 2] === first && this.#keys[slot * 2 + 1] === key.low) return slot;
    }
    return -1;
  }

  /** The key that a slot belongs to; its words are zero when it belongs to none. */
  keyOf(slot: number): HashedKey {
    return { high: this.#keys[slot * 2] ?? 0, low: this.#keys[slot * 2 + 1] ?? 0 };
  }

  /** The slot of a key, taken over from the least worthy if the key has none. Valid until the next call. */
  take(key: HashedKey, nowMs: number): number {
    const known = this.find(key);
    if (known >= 0) return known;
    const start = (key.low & this.#setMask) * WAYS;
    let victim = start;
    let victimWorth = Number.POSITIVE_INFINITY;
    for (let slot = start; slot < start + WAYS; slot += 1) {
      const isFree = this.#keys[slot * 2] === 0;
      const worth = isFree ? -1 : this.#owner.worthOf(slot, nowMs);
      if (worth < victimWorth) {
        victim = slot;
        victimWorth = worth;
      }
    }
    this.#keys[victim * 2] = markOf(key);
    this.#keys[victim * 2 + 1] = key.low;
    this.#owner.clear(victim, nowMs);
    return victim;
  }
}

/** Zero marks a free slot, so no key may have it. */
function markOf(key: HashedKey): number {
  return key.high === 0 ? 1 : key.high;
}
