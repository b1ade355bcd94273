/**
 * Who is on an allowlist, and in which tier: nine bytes a buyer in two arrays, so that a million fit into twenty megabytes.
 *
 * Kept is a keyed hash of 64 bits, never the id. Two buyers with one hash would count as one; among a million that
 * happens to one stranger in ten trillion, and nobody can look for such an id, because the key never leaves the process.
 * Grows by doubling; never forgets. Lists that change are new tables.
 */
import type { KeyedHash } from "../keyed-hash.ts";

const SLOTS_AT_FIRST = 16;
const WORDS_PER_SLOT = 2;
const FILL_MAX = 0.5;
/** Names of tiers that one list may use; a byte says which. */
const TIER_NAMES_MAX = 255;

/** What adding an entry found: a new buyer, the same entry again, or the same buyer in another tier. */
export type AddedEntry = "new" | "same" | "contradiction";

/** The part of a list that stage 6 asks. */
export interface Allowlist {
  has(buyerId: string): boolean;
  /** The tier that the list names for the buyer; null for none, and for who is not on the list. */
  tierOf(buyerId: string): string | null;
}

export class AllowlistTable implements Allowlist {
  readonly #hash: KeyedHash;
  readonly #tierNames: (string | null)[] = [null];
  #words: Uint32Array;
  #tiers: Uint8Array;
  #slotMask: number;
  #size = 0;

  /** `expected`: how many buyers will come, where that is known. */
  constructor(hash: KeyedHash, expected = 0) {
    let slots = SLOTS_AT_FIRST;
    while (slots * FILL_MAX < expected) slots *= 2;
    this.#hash = hash;
    this.#slotMask = slots - 1;
    this.#words = new Uint32Array(slots * WORDS_PER_SLOT);
    this.#tiers = new Uint8Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  has(buyerId: string): boolean {
    return !this.#isFree(this.#slotOf(buyerId));
  }

  tierOf(buyerId: string): string | null {
    // A free slot has tier 0, which is none.
    return this.#tierNames[this.#tiers[this.#slotOf(buyerId)] ?? 0] ?? null;
  }

  /** Throws RangeError beyond 255 names of tiers. */
  add(buyerId: string, tier: string | null): AddedEntry {
    const tierIndex = this.#tierIndexOf(tier);
    const slot = this.#slotOf(buyerId);
    if (!this.#isFree(slot)) return this.#tiers[slot] === tierIndex ? "same" : "contradiction";
    this.#put(slot, tierIndex);
    this.#size += 1;
    if (this.#size > (this.#slotMask + 1) * FILL_MAX) this.#grow();
    return "new";
  }

  #tierIndexOf(tier: string | null): number {
    const known = this.#tierNames.indexOf(tier);
    if (known !== -1) return known;
    if (this.#tierNames.length > TIER_NAMES_MAX) throw new RangeError("An allowlist names too many tiers.");
    return this.#tierNames.push(tier) - 1;
  }

  /** The buyer's slot, or the free one where he belongs; the hash of what it is for stays in `#hash`. */
  #slotOf(buyerId: string): number {
    this.#hash.update(buyerId);
    return this.#probe(this.#hash.high, this.#hash.low);
  }

  #probe(high: number, low: number): number {
    const words = this.#words;
    for (let slot = low & this.#slotMask; ; slot = (slot + 1) & this.#slotMask) {
      const at = slot * WORDS_PER_SLOT;
      if (this.#isFree(slot) || (words[at] === marked(high) && words[at + 1] === low)) return slot;
    }
  }

  #isFree(slot: number): boolean {
    return this.#words[slot * WORDS_PER_SLOT] === 0;
  }

  #put(slot: number, tierIndex: number): void {
    this.#words[slot * WORDS_PER_SLOT] = marked(this.#hash.high);
    this.#words[slot * WORDS_PER_SLOT + 1] = this.#hash.low;
    this.#tiers[slot] = tierIndex;
  }

  #grow(): void {
    const words = this.#words;
    const tiers = this.#tiers;
    const slots = tiers.length * 2;
    this.#words = new Uint32Array(slots * WORDS_PER_SLOT);
    this.#tiers = new Uint8Array(slots);
    this.#slotMask = slots - 1;
    for (let slot = 0; slot < tiers.length; slot += 1) {
      const high = words[slot * WORDS_PER_SLOT] ?? 0;
      if (high === 0) continue;
      const low = words[slot * WORDS_PER_SLOT + 1] ?? 0;
      const next = this.#probe(high, low);
      this.#words[next * WORDS_PER_SLOT] = high;
      this.#words[next * WORDS_PER_SLOT + 1] = low;
      this.#tiers[next] = tiers[slot] ?? 0;
    }
  }
}

/** Zero marks a free slot, so no hash may have it as its first word. */
function marked(high: number): number {
  return high === 0 ? 1 : high;
}
