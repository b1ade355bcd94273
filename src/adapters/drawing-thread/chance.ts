/**
 * Chance for drawings, from the system's CSPRNG in pages: what a puzzle looks like must tell nothing of the next one.
 */
import { randomFillSync } from "node:crypto";

const PAGE_WORDS = 1_024;
const WORD_RANGE = 4_294_967_296;

/** Draws numbers; one per thread. */
export class Chance {
  readonly #page = new Uint32Array(PAGE_WORDS);
  #used = PAGE_WORDS;

  /** Uniform in [0, 1). */
  fraction(): number {
    if (this.#used === PAGE_WORDS) {
      randomFillSync(this.#page);
      this.#used = 0;
    }
    const word = this.#page[this.#used] ?? 0;
    this.#used += 1;
    return word / WORD_RANGE;
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.fraction() * (to - from);
  }

  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  /** One of the two, with equal chance. */
  isHeads(): boolean {
    return this.fraction() < 0.5;
  }
}
