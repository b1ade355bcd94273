/**
 * Seeded randomness for the crowd: the same seed gives the same buyers, arrivals and mischief, in every process.
 *
 * Each buyer has a generator of its own, made from the seed and the buyer's number, so that the plan of one buyer
 * depends neither on how buyers are spread over processes nor on the order of answers. Not for secrets.
 */

/** A stream of reproducible draws. */
export interface SeededRandom {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** `length` characters of the base64url alphabet. */
  text(length: number): string;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TWO_TO_32 = 4_294_967_296;

/** A generator (splitmix32) for one stream of one seed. */
export function createSeededRandom(seed: number, stream: number): SeededRandom {
  let state = mix((seed | 0) ^ mix((stream + 0x9e3779b9) | 0));
  const nextWord = (): number => {
    state = (state + 0x9e3779b9) | 0;
    return mix(state) >>> 0;
  };
  const fraction = (): number => nextWord() / TWO_TO_32;
  return {
    fraction,
    below: (bound) => Math.floor(fraction() * bound),
    text(length) {
      let text = "";
      for (let index = 0; index < length; index++) text += ALPHABET[nextWord() & 63];
      return text;
    },
  };
}

function mix(word: number): number {
  let mixed = word;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}
