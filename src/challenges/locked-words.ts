/**
 * Words that anybody can read who computes for a moment: what makes a picture's text fit to be sent along with it.
 *
 * A text alternative that lies open makes the picture pointless, and one that must be asked for needs limits of its own, which
 * hit exactly those who depend on it. So the words are sent locked: the key is a number that is found by trying, with as much
 * work as the proof of work that could be had in the picture's place. No second request, nothing stored, and no easier way for a program.
 *
 * `check` = the first 16 hexadecimal digits of sha256("<seed>.<n>"), n a decimal number below 2^bits; the words, in UTF-8
 * behind zero bytes to a multiple of 32, are combined by exclusive or with sha256("<seed>.<n>.<i>"), i = 0, 1, …
 */
import { createHmac, hash } from "node:crypto";
import { DIFFICULTY_MAX, STAND_IN_BITS } from "../ports/challenge.ts";

/** As it stands in the challenge document. */
export interface LockedWords {
  /** Base64url. */
  readonly text: string;
  readonly check: string;
  readonly bits: number;
}

const BLOCK_BYTES = 32;
const CHECK_LENGTH = 16;
/** Sixteen puzzles of d bits take 2^(d+4) tries, and so does finding one of 2^(d+5) numbers. */
const BITS_ABOVE_DIFFICULTY = 5;
const BITS_MAX = DIFFICULTY_MAX + BITS_ABOVE_DIFFICULTY;

/** Locks words of a challenge. `key` is the deployment's and decides the number, so that nothing has to be drawn. */
export function lockWords(lock: { key: Uint8Array; seed: string; difficulty: number; words: string }): LockedWords {
  const { key, seed, difficulty } = lock;
  const bits = Math.min(difficulty + STAND_IN_BITS + BITS_ABOVE_DIFFICULTY, BITS_MAX);
  const drawn = createHmac("sha256", key).update(`words|${seed}`).digest().readUInt32BE(0);
  const found = `${seed}.${drawn % 2 ** bits}`;
  const words = Buffer.from(lock.words, "utf8");
  const text = Buffer.alloc(Math.ceil(words.length / BLOCK_BYTES) * BLOCK_BYTES);
  words.copy(text, text.length - words.length);
  for (let block = 0; block * BLOCK_BYTES < text.length; block += 1) {
    const stream = hash("sha256", `${found}.${block}`, "buffer");
    for (let index = 0; index < BLOCK_BYTES; index += 1) {
      const at = block * BLOCK_BYTES + index;
      text[at] = (text[at] ?? 0) ^ (stream[index] ?? 0);
    }
  }
  return { text: text.toString("base64url"), check: hash("sha256", found, "hex").slice(0, CHECK_LENGTH), bits };
}
