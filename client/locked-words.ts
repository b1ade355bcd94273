/**
 * Opens the words that come with a picture: finds the number that was used as their key, by trying.
 *
 * As much work as a proof of work in the picture's place, so that words for people who cannot see it are no shortcut for
 * programs. Works in steps like the proof of work. What the words look like when they are locked is said where the server
 * locks them, src/challenges/locked-words.ts.
 */
import { compress, INITIAL_STATE } from "./pow.ts";

/** Members of the challenge document. */
export interface LockedWordsTask {
  readonly seed: string;
  readonly text: string;
  readonly check: string;
  /** The number is below 2^bits. */
  readonly bits: number;
}

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** A text this short fits one block with the bit after it and its length. */
const TEXT_LENGTH_MAX = 55;
const CHECK_WORD_DIGITS = 8;

const bytes = new Uint8Array(BLOCK_BYTES);
const view = new DataView(bytes.buffer);
const words = new Int32Array(BLOCK_BYTES / 4);
const state = new Int32Array(INITIAL_STATE.length);

/** Leaves the SHA-256 of a short ASCII text in `state`. */
function hashShort(text: string): void {
  if (text.length > TEXT_LENGTH_MAX) throw new RangeError("A text of more than one block.");
  bytes.fill(0);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  bytes[text.length] = 0x80;
  view.setUint32(BLOCK_BYTES - 4, text.length * 8);
  for (let index = 0; index < words.length; index += 1) words[index] = view.getInt32(index * 4);
  state.set(INITIAL_STATE);
  compress(state, words, 0);
}

/** The search for one key, done in steps of whatever length the caller likes. */
export class LockedWords {
  readonly #task: LockedWordsTask;
  readonly #checkHigh: number;
  readonly #checkLow: number;
  #tried = 0;
  #words: string | null = null;

  constructor(task: LockedWordsTask) {
    this.#task = task;
    this.#checkHigh = Number.parseInt(task.check.slice(0, CHECK_WORD_DIGITS), 16) | 0;
    this.#checkLow = Number.parseInt(task.check.slice(CHECK_WORD_DIGITS), 16) | 0;
  }

  /** Tries so many numbers at most. The words once they are found, else null. Throws when no number opens them. */
  work(triesMax: number): string | null {
    const { seed, bits } = this.#task;
    for (let tries = 0; tries < triesMax && this.#words === null; tries += 1) {
      if (this.#tried >= 2 ** bits) throw new RangeError("No number opens these words.");
      const found = `${seed}.${this.#tried}`;
      hashShort(found);
      if (state[0] === this.#checkHigh && state[1] === this.#checkLow) this.#words = this.#open(found);
      else this.#tried += 1;
    }
    return this.#words;
  }

  /** The part of the numbers that were tried; half of them are enough on the average. */
  get fraction(): number {
    return this.#words === null ? this.#tried / 2 ** this.#task.bits : 1;
  }

  #open(found: string): string {
    const locked = atob(this.#task.text.replaceAll("-", "+").replaceAll("_", "/"));
    const open = new Uint8Array(locked.length);
    for (let at = 0; at < locked.length; at += 1) {
      if (at % DIGEST_BYTES === 0) hashShort(`${found}.${at / DIGEST_BYTES}`);
      const word = state[(at % DIGEST_BYTES) >> 2] ?? 0;
      open[at] = locked.charCodeAt(at) ^ (word >>> (24 - 8 * (at & 3)));
    }
    return new TextDecoder().decode(open).replace(/^\0+/, "");
  }
}
