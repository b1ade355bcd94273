/**
 * How many different accounts each key was seen with lately, in a fixed amount of memory and without remembering anybody.
 *
 * A key has a bitmap of 128 bits per window, an account sets one of them, and the number of set bits tells how many
 * accounts there were (linear counting: exact for a few, within a fifth for hundreds). Repeats never count twice, which
 * matters more than precision: overcounting would suspect honest people. Two windows overlap, so nothing is forgotten at
 * the turn of one. Where thousands are normal, only every nth account is looked at. What other processes saw is laid over
 * it and never passed on, or a bit would go round for ever.
 */
import { type HashedKey, SlotTable } from "./slot-table.ts";

/** A key that many accounts have, as processes tell each other: the key's two words and the four of its bitmap. */
export type SharedCount = readonly [high: number, low: number, ...bits: readonly number[]];

const WORDS = 4;
const BITS = WORDS * 32;

export class DistinctCounts {
  readonly #slots: SlotTable;
  readonly #windowMs: number;
  readonly #sampleEvery: number;
  readonly #current: Uint32Array;
  readonly #previous: Uint32Array;
  readonly #startedMs: Float64Array;
  /** What others saw when they were last asked. */
  readonly #foreign: Uint32Array;

  /** `sampleEvery` is a power of two: 16 counts to some ten thousand instead of six hundred. */
  constructor(options: { entriesMax: number; windowMs: number; sampleEvery?: number }) {
    this.#slots = new SlotTable({
      entriesMax: options.entriesMax,
      owner: {
        worthOf: (slot, nowMs) => (this.#isStale(slot, nowMs) ? 0 : this.#bitsOf(slot)),
        clear: (slot, nowMs) => this.#clear(slot, nowMs),
      },
    });
    this.#windowMs = options.windowMs;
    this.#sampleEvery = options.sampleEvery ?? 1;
    this.#current = new Uint32Array(this.#slots.size * WORDS);
    this.#previous = new Uint32Array(this.#slots.size * WORDS);
    this.#startedMs = new Float64Array(this.#slots.size);
    this.#foreign = new Uint32Array(this.#slots.size * WORDS);
  }

  /** Notes an account on a key and answers how many there are now. Monotonic milliseconds. */
  note(key: HashedKey, account: HashedKey, nowMs: number): number {
    if ((account.high & (this.#sampleEvery - 1)) !== 0) return this.read(key, nowMs);
    const slot = this.#slots.take(key, nowMs);
    this.#turn(slot, nowMs);
    const bit = account.low % BITS;
    const index = slot * WORDS + (bit >>> 5);
    this.#current[index] = (this.#current[index] ?? 0) | (1 << (bit & 31));
    return this.#estimate(slot);
  }

  /** How many accounts the key was seen with; 0 for a key nothing is known of. */
  read(key: HashedKey, nowMs: number): number {
    const slot = this.#slots.find(key);
    if (slot < 0) return 0;
    this.#turn(slot, nowMs);
    return this.#estimate(slot);
  }

  /** The keys with the most accounts that this process saw itself, from `bitsMin` bits on. Walks the whole table. */
  crowded(request: { bitsMin: number; keysMax: number; nowMs: number }): readonly SharedCount[] {
    const found: { readonly bits: number; readonly count: SharedCount }[] = [];
    for (let slot = 0; slot < this.#slots.size; slot += 1) {
      if (this.#isStale(slot, request.nowMs)) continue;
      const words = this.#ownWords(slot);
      const bits = words.reduce((sum, word) => sum + countBits(word), 0);
      if (bits < request.bitsMin) continue;
      const { high, low } = this.#slots.keyOf(slot);
      found.push({ bits, count: [high, low, ...words] });
    }
    found.sort((one, other) => other.bits - one.bits);
    return found.slice(0, request.keysMax).map(({ count }) => count);
  }

  /** Lays what others see now over what this process sees; what they told before is forgotten. */
  learn(counts: readonly SharedCount[], nowMs: number): void {
    this.#foreign.fill(0);
    for (const [high, low, ...bits] of counts) {
      const start = this.#slots.take({ high, low }, nowMs) * WORDS;
      for (let word = 0; word < WORDS; word += 1) {
        this.#foreign[start + word] = (this.#foreign[start + word] ?? 0) | (bits[word] ?? 0);
      }
    }
  }

  #ownWords(slot: number): number[] {
    const words: number[] = [];
    for (let word = slot * WORDS; word < (slot + 1) * WORDS; word += 1) {
      words.push(((this.#current[word] ?? 0) | (this.#previous[word] ?? 0)) >>> 0);
    }
    return words;
  }

  #estimate(slot: number): number {
    const bits = this.#bitsOf(slot);
    if (bits === 0) return 0;
    const empty = Math.max(BITS - bits, 0.5);
    return Math.round(-BITS * Math.log(empty / BITS)) * this.#sampleEvery;
  }

  #bitsOf(slot: number): number {
    let bits = 0;
    for (let word = slot * WORDS; word < (slot + 1) * WORDS; word += 1) {
      bits += countBits((this.#current[word] ?? 0) | (this.#previous[word] ?? 0) | (this.#foreign[word] ?? 0));
    }
    return bits;
  }

  #isStale(slot: number, nowMs: number): boolean {
    return nowMs - (this.#startedMs[slot] ?? 0) >= 2 * this.#windowMs;
  }

  /** Begins the next window when this one is over. */
  #turn(slot: number, nowMs: number): void {
    const ageMs = nowMs - (this.#startedMs[slot] ?? 0);
    if (ageMs < this.#windowMs) return;
    if (ageMs >= 2 * this.#windowMs) this.#clear(slot, nowMs);
    else {
      const start = slot * WORDS;
      this.#previous.set(this.#current.subarray(start, start + WORDS), start);
      this.#current.fill(0, start, start + WORDS);
      this.#startedMs[slot] = (this.#startedMs[slot] ?? 0) + this.#windowMs;
    }
  }

  #clear(slot: number, nowMs: number): void {
    this.#current.fill(0, slot * WORDS, (slot + 1) * WORDS);
    this.#previous.fill(0, slot * WORDS, (slot + 1) * WORDS);
    this.#foreign.fill(0, slot * WORDS, (slot + 1) * WORDS);
    this.#startedMs[slot] = nowMs;
  }
}

function countBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
