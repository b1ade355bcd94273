/**
 * Everybody who ever had a reservation of an item: says "certainly not" or "perhaps", never wrongly "certainly not".
 *
 * The latch lets these buyers through to the ledger, so that a repeat of an accepted attempt gets its reservation and
 * not "sold out". A set of 32-bit fingerprints in an open table: four to eight bytes a holder, and unlike a Bloom filter
 * it grows without reading everybody again. A false "perhaps" (one in millions) costs one question to the ledger.
 */
import type { KeyedHash } from "../keyed-hash.ts";

const SLOTS_AT_FIRST = 64;

/** See the head of this file. */
export class HolderSet {
  readonly #hash: KeyedHash;
  #slots = new Uint32Array(SLOTS_AT_FIRST);
  #count = 0;

  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  /** Distinct fingerprints. */
  get count(): number {
    return this.#count;
  }

  add(buyerId: string): void {
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow();
    if (this.#insert(this.#fingerprintOf(buyerId))) this.#count += 1;
  }

  /** False = this buyer was never added. */
  has(buyerId: string): boolean {
    const fingerprint = this.#fingerprintOf(buyerId);
    return this.#slots[this.#find(fingerprint)] === fingerprint;
  }

  #fingerprintOf(buyerId: string): number {
    this.#hash.update(buyerId);
    // Zero marks a free slot.
    return this.#hash.low === 0 ? 1 : this.#hash.low;
  }

  /** The slot of the fingerprint, or the free slot where it belongs. The table is never full. */
  #find(fingerprint: number): number {
    const mask = this.#slots.length - 1;
    let slot = fingerprint & mask;
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== fingerprint) slot = (slot + 1) & mask;
    return slot;
  }

  #insert(fingerprint: number): boolean {
    const slot = this.#find(fingerprint);
    if (this.#slots[slot] === fingerprint) return false;
    this.#slots[slot] = fingerprint;
    return true;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    for (const fingerprint of before) if (fingerprint !== 0) this.#insert(fingerprint);
  }
}
