/**
 * HalfSipHash-1-3 over text: 64 bits that nobody outside the process can predict.
 *
 * The fixed tables of the funnel are indexed by what strangers send (addresses, nonces). With a plain hash they could
 * choose entries that collide with another buyer's; a keyed one takes that away for some 60 ns. The two words of the
 * result are read from `high` and `low`, so that a call allocates nothing. Not for signatures: those use hmac.ts.
 */
import type { Random } from "../ports/random.ts";

/** Hashes a text into {@link KeyedHash.high} and {@link KeyedHash.low}, both unsigned 32-bit. */
export class KeyedHash {
  readonly #key0: number;
  readonly #key1: number;
  high = 0;
  low = 0;

  constructor(key: { readonly word0: number; readonly word1: number }) {
    this.#key0 = key.word0 | 0;
    this.#key1 = key.word1 | 0;
  }

  /** One character is one 16-bit unit; two make a word. The length goes into the last word, so padding is unambiguous. */
  update(text: string): void {
    let v0 = this.#key0;
    let v1 = this.#key1 ^ 0xee;
    let v2 = 0x6c796765 ^ this.#key0;
    let v3 = 0x74656462 ^ this.#key1;
    const { length } = text;
    const words = (length >> 1) + 1;
    for (let index = 0; index < words + 3; index += 1) {
      let word = 0;
      if (index < words - 1) word = text.charCodeAt(index * 2) | (text.charCodeAt(index * 2 + 1) << 16);
      else if (index === words - 1) word = (length << 16) | (length & 1 ? text.charCodeAt(length - 1) : 0);
      else if (index === words) v2 ^= 0xee;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    this.high = (v1 ^ v3) >>> 0;
    this.low = (v0 ^ v2) >>> 0;
  }
}

const WORD_RANGE = 4_294_967_296;
const HEX_PER_WORD = 8;

/** Two words as sixteen hexadecimal digits: how hashed names are written outside the process. */
export function hexOfWords(words: { readonly high: number; readonly low: number }): string {
  return words.high.toString(16).padStart(HEX_PER_WORD, "0") + words.low.toString(16).padStart(HEX_PER_WORD, "0");
}

/** A hash with a key of this process's own, drawn from the injected randomness. */
export function keyedHash(random: Random): KeyedHash {
  const seed = random.id();
  let word0 = Math.floor(random.fraction() * WORD_RANGE);
  let word1 = Math.floor(random.fraction() * WORD_RANGE);
  for (let index = 0; index < seed.length; index += 1) {
    word0 = Math.imul(word0 ^ seed.charCodeAt(index), 0x9e3779b1);
    word1 = Math.imul(word1 ^ seed.charCodeAt(seed.length - 1 - index), 0x85ebca6b);
  }
  return new KeyedHash({ word0, word1 });
}
