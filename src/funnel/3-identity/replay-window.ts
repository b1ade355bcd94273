/**
 * The nonces that a session used lately: memory per session, not per request.
 *
 * A session has a ring of at most 128 fingerprints; sessions live in two generations of 60 s, so a nonce is remembered
 * for at least as long as its timestamp stays acceptable (±30 s). What a flood can do is bounded three ways: the ring
 * forgets its own oldest, a full generation ends early, and only requests with a genuine signature get here at all.
 * Forgetting is safe because calls are idempotent by reservation; it is not what entitlement rests on.
 */
import type { KeyedHash } from "../keyed-hash.ts";

/** Nonces remembered per session and generation; the default limit of 100 attempts a minute stays below it. */
export const NONCES_PER_SESSION_MAX = 128;
/** A generation's age: twice the timestamp's tolerance, the longest a signed request stays fresh. */
export const GENERATION_MS = 60_000;
/** Sessions per generation before it ends early. */
export const SESSIONS_MAX = 131_072;

const NONCES_AT_FIRST = 2;
const WORDS_PER_NONCE = 2;

/** "first": never seen. "repeated": the same nonce under the same signature. "reused": under a different one. */
export type NonceUse = "first" | "repeated" | "reused";

/** `mark`: a keyed fingerprint of the nonce's signature. Most sessions use one nonce: the first needs no array of its own. */
class Ring {
  readonly #firstNonce: number;
  readonly #firstMark: number;
  #words: Uint32Array | null = null;
  #nonceCount = 1;
  #next = 1;

  constructor(nonce: number, mark: number) {
    this.#firstNonce = nonce;
    this.#firstMark = mark;
  }

  find(nonce: number, mark: number): NonceUse {
    const words = this.#words;
    if (words === null) {
      if (this.#firstNonce !== nonce) return "first";
      return this.#firstMark === mark ? "repeated" : "reused";
    }
    for (let index = 0; index < this.#nonceCount * WORDS_PER_NONCE; index += WORDS_PER_NONCE) {
      if (words[index] === nonce) return words[index + 1] === mark ? "repeated" : "reused";
    }
    return "first";
  }

  add(nonce: number, mark: number): void {
    const words = this.#withRoom();
    words[this.#next * WORDS_PER_NONCE] = nonce;
    words[this.#next * WORDS_PER_NONCE + 1] = mark;
    this.#next += 1;
    this.#nonceCount = Math.max(this.#nonceCount, this.#next);
  }

  /** Grows up to the most there may be, and then begins again at the oldest. */
  #withRoom(): Uint32Array {
    if (this.#words === null) {
      this.#words = new Uint32Array(NONCES_AT_FIRST * WORDS_PER_NONCE);
      this.#words.set([this.#firstNonce, this.#firstMark]);
    }
    const capacity = this.#words.length / WORDS_PER_NONCE;
    if (this.#next < capacity) return this.#words;
    if (capacity === NONCES_PER_SESSION_MAX) {
      this.#next = 0;
      return this.#words;
    }
    const grown = new Uint32Array(this.#words.length * 4);
    grown.set(this.#words);
    this.#words = grown;
    return grown;
  }
}

/** Remembers nonces; see the head of this file for what it bounds. */
export class ReplayWindow {
  readonly #hash: KeyedHash;
  readonly #sessionsMax: number;
  #current = new Map<string, Ring>();
  #previous = new Map<string, Ring>();
  #currentSinceMs = 0;

  constructor(options: { hash: KeyedHash; sessionsMax?: number }) {
    this.#hash = options.hash;
    this.#sessionsMax = options.sessionsMax ?? SESSIONS_MAX;
  }

  /** Notes a use of a nonce whose signature is genuine, and says whether it was the first. */
  remember(use: { sessionId: string; nonce: string; signature: string; nowMs: number }): NonceUse {
    this.#turn(use.nowMs);
    this.#hash.update(use.signature);
    const signature = this.#hash.low;
    this.#hash.update(use.nonce);
    const nonce = this.#hash.low;

    const ring = this.#current.get(use.sessionId);
    const known = ring?.find(nonce, signature) ?? "first";
    if (known !== "first") return known;
    const earlier = this.#previous.get(use.sessionId)?.find(nonce, signature) ?? "first";
    if (earlier !== "first") return earlier;
    if (ring !== undefined) ring.add(nonce, signature);
    else this.#open(use.sessionId, new Ring(nonce, signature));
    return "first";
  }

  /** Sessions held now, for the gauge that shows whether the bound is near. */
  sessionCount(): number {
    return this.#current.size + this.#previous.size;
  }

  #open(sessionId: string, ring: Ring): void {
    if (this.#current.size >= this.#sessionsMax) {
      this.#previous = this.#current;
      this.#current = new Map();
    }
    this.#current.set(sessionId, ring);
  }

  /** Starts a new generation when the current one is old enough, or when the clock jumped back behind its start. */
  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#currentSinceMs;
    if (ageMs >= 0 && ageMs < GENERATION_MS) return;
    this.#previous = ageMs >= 0 && ageMs < 2 * GENERATION_MS ? this.#current : new Map();
    this.#current = new Map();
    this.#currentSinceMs = nowMs;
  }
}
