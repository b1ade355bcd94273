/**
 * The proof of work of a challenge: finds, for each of its puzzles, a number whose SHA-256 begins with enough zero bits.
 *
 * SHA-256 is written out here because WebCrypto answers each hash with a promise, which costs more than the hash. The part
 * of the text that stays the same is hashed once (its blocks are compressed into a starting state), and the number is
 * counted up in place as base-36 digits. Works in steps, so that a page stays alive without a worker and can show progress.
 */

/** What the server asks for; members of the challenge document. */
export interface ProofOfWorkTask {
  readonly token: string;
  /** Leading zero bits, at most 24. */
  readonly difficulty: number;
  readonly puzzles: number;
}

const BLOCK_BYTES = 64;
const BLOCK_WORDS = 16;
const ROUNDS = 64;
const BITS_PER_WORD = 32;
const DIGITS_MAX = 8;
/** The bit after the message, and its length in eight bytes. */
const PADDING_BYTES_MIN = 9;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const LETTER_A = 0x61;
const LETTER_Z = 0x7a;

/** The first 32 bits of the fractional parts of a root of the first primes: FIPS 180-4 derives its constants so. */
function fractionsOfPrimes(count: number, root: (prime: number) => number): Int32Array {
  const words = new Int32Array(count);
  for (let candidate = 2, found = 0; found < count; candidate += 1) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) if (candidate % divisor === 0) isPrime = false;
    if (!isPrime) continue;
    const value = root(candidate);
    words[found] = Math.floor((value - Math.floor(value)) * 2 ** BITS_PER_WORD) | 0;
    found += 1;
  }
  return words;
}

/** Where SHA-256 begins. */
export const INITIAL_STATE: Int32Array = fractionsOfPrimes(8, Math.sqrt);
const ROUND_CONSTANTS = fractionsOfPrimes(ROUNDS, Math.cbrt);

const schedule = new Int32Array(ROUNDS);

/** One block of SHA-256: sixteen words from `offset` on change the state. */
export function compress(state: Int32Array, words: Int32Array, offset: number): void {
  const w = schedule;
  const k = ROUND_CONSTANTS;
  for (let index = 0; index < BLOCK_WORDS; index += 1) w[index] = words[offset + index] as number;
  for (let index = BLOCK_WORDS; index < ROUNDS; index += 1) {
    const x = w[index - 15] as number;
    const y = w[index - 2] as number;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[index] = ((w[index - 16] as number) + s0 + (w[index - 7] as number) + s1) | 0;
  }
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let round = 0; round < ROUNDS; round += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (k[round] as number) + (w[round] as number)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = ((state[0] as number) + a) | 0;
  state[1] = ((state[1] as number) + b) | 0;
  state[2] = ((state[2] as number) + c) | 0;
  state[3] = ((state[3] as number) + d) | 0;
  state[4] = ((state[4] as number) + e) | 0;
  state[5] = ((state[5] as number) + f) | 0;
  state[6] = ((state[6] as number) + g) | 0;
  state[7] = ((state[7] as number) + h) | 0;
}

/** One puzzle: the text before the number, ready to be hashed with one number after the other. */
class Puzzle {
  readonly #start = Int32Array.from(INITIAL_STATE);
  readonly #state = new Int32Array(INITIAL_STATE.length);
  /** The last one or two blocks: the rest of the text, the digits, and the padding. */
  readonly #tail = new Uint8Array(2 * BLOCK_BYTES);
  readonly #words = new Int32Array(2 * BLOCK_WORDS);
  readonly #prefixLength: number;
  readonly #digitsAt: number;
  readonly #shift: number;
  #digitCount = 1;

  constructor(prefix: string, difficulty: number) {
    const bytes = new TextEncoder().encode(prefix);
    const blocks = Math.floor(bytes.length / BLOCK_BYTES);
    for (let block = 0; block < blocks; block += 1) {
      const at = block * BLOCK_BYTES;
      this.#read(bytes.subarray(at, at + BLOCK_BYTES));
      compress(this.#start, this.#words, 0);
    }
    this.#prefixLength = bytes.length;
    this.#digitsAt = bytes.length - blocks * BLOCK_BYTES;
    this.#shift = BITS_PER_WORD - difficulty;
    this.#tail.set(bytes.subarray(blocks * BLOCK_BYTES));
    this.#tail[this.#digitsAt] = DIGIT_0;
    this.#pad();
  }

  /** True when the number now in the tail solves the puzzle. */
  isSolved(): boolean {
    const isLong = this.#digitsAt + this.#digitCount + PADDING_BYTES_MIN > BLOCK_BYTES;
    this.#read(isLong ? this.#tail : this.#tail.subarray(0, BLOCK_BYTES));
    this.#state.set(this.#start);
    compress(this.#state, this.#words, 0);
    if (isLong) compress(this.#state, this.#words, BLOCK_WORDS);
    return (this.#state[0] as number) >>> this.#shift === 0;
  }

  /** Counts the number up by one. */
  next(): void {
    const first = this.#digitsAt;
    for (let at = first + this.#digitCount - 1; at >= first; at -= 1) {
      const digit = this.#tail[at] as number;
      if (digit !== LETTER_Z) {
        this.#tail[at] = digit === DIGIT_9 ? LETTER_A : digit + 1;
        return;
      }
      this.#tail[at] = DIGIT_0;
    }
    if (this.#digitCount === DIGITS_MAX) throw new RangeError("No number of eight digits solves this puzzle.");
    this.#digitCount += 1;
    this.#tail.fill(DIGIT_0, first, first + this.#digitCount);
    this.#tail[first] = DIGIT_0 + 1;
    this.#pad();
  }

  get number(): string {
    return String.fromCharCode(...this.#tail.subarray(this.#digitsAt, this.#digitsAt + this.#digitCount));
  }

  #pad(): void {
    const end = this.#digitsAt + this.#digitCount;
    const length = end + PADDING_BYTES_MIN > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES;
    this.#tail.fill(0, end);
    this.#tail[end] = 0x80;
    const bits = (this.#prefixLength + this.#digitCount) * 8;
    new DataView(this.#tail.buffer).setUint32(length - 4, bits);
  }

  #read(bytes: Uint8Array): void {
    const words = this.#words;
    for (let at = 0; at < bytes.length; at += 4) {
      words[at >> 2] =
        ((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number);
    }
  }
}

/** The work of one challenge, done in steps of whatever length the caller likes. */
export class ProofOfWork {
  readonly #task: ProofOfWorkTask;
  readonly #numbers: string[] = [];
  #puzzle: Puzzle;

  constructor(task: ProofOfWorkTask) {
    this.#task = task;
    this.#puzzle = this.#puzzleOf(0);
  }

  /** Tries so many numbers at most. True when all puzzles are solved. */
  work(triesMax: number): boolean {
    for (let tries = 0; tries < triesMax && !this.isDone; tries += 1) {
      if (this.#puzzle.isSolved()) {
        this.#numbers.push(this.#puzzle.number);
        this.#puzzle = this.#puzzleOf(this.#numbers.length);
      } else {
        this.#puzzle.next();
      }
    }
    return this.isDone;
  }

  get isDone(): boolean {
    return this.#numbers.length === this.#task.puzzles;
  }

  /** How many of the puzzles are solved, from 0 to 1. */
  get fraction(): number {
    return this.#numbers.length / this.#task.puzzles;
  }

  /** What to send; complete once the work is done. */
  get solution(): string {
    return this.#numbers.join(".");
  }

  #puzzleOf(index: number): Puzzle {
    return new Puzzle(`${this.#task.token}.${index}.`, this.#task.difficulty);
  }
}
