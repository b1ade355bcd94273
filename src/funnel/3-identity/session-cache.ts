/**
 * Tokens that were verified lately: whoever keeps coming is recognised without hashing his token again.
 *
 * A buyer who waits for units to come back asks every few seconds; verifying his token is then most of what a refusal
 * costs. A crowd of which each asks once gains nothing and would only fill the memory, so a token is remembered when it
 * comes for the second time; of the first only a few bits of its code are noted, in a fixed table. Only genuine tokens
 * get in, so forgers cannot fill it, and it holds two generations of bounded size, so nobody can: a token is forgotten
 * when that many others came after it. Expiry is checked each time. The session's signing key lies beside it, because
 * deriving it costs as much as the signature it checks.
 */
import { MAC_LENGTH } from "./hmac.ts";
import { type Keys, rawSigningKeyOf } from "./keys.ts";
import { type Session, verifySessionToken } from "./session-token.ts";

/** Tokens per generation; about 500 bytes each. */
export const TOKENS_PER_GENERATION_MAX = 32_768;
/** Places for first sights, four bytes each: some ten seconds of newcomers at thirty thousand a second. */
const FIRST_SIGHTS = 262_144;
/** Characters of a code that make up {@link bitsOf}. */
const CHARACTERS_OF_BITS = 6;

/** A session that proved genuine. */
export class KnownSession {
  readonly session: Session;
  readonly #keys: Keys;
  #rawSigningKey: string | null = null;

  constructor(session: Session, keys: Keys) {
    this.session = session;
    this.#keys = keys;
  }

  /** The session's signing key, one byte per character; derived at its first use. */
  get rawSigningKey(): string {
    this.#rawSigningKey ??= rawSigningKeyOf(this.#keys, this.session.sessionId);
    return this.#rawSigningKey;
  }
}

/** Verifies tokens, each genuine one once while it is remembered. */
export class SessionCache {
  readonly #keys: Keys;
  readonly #generationMax: number;
  readonly #firstSights = new Uint32Array(FIRST_SIGHTS);
  #current = new Map<string, KnownSession>();
  #previous = new Map<string, KnownSession>();

  constructor(keys: Keys, generationMax: number = TOKENS_PER_GENERATION_MAX) {
    this.#keys = keys;
    this.#generationMax = generationMax;
  }

  /** The session of a token, or why there is none. */
  find(token: string, nowMs: number): KnownSession | "session_invalid" | "session_expired" {
    const known = this.#current.get(token) ?? this.#previous.get(token);
    if (known !== undefined) return nowMs >= known.session.expiresAt ? "session_expired" : known;
    const place = bitsOf(token, token.length - MAC_LENGTH) & (FIRST_SIGHTS - 1);
    // Never zero, which is an empty place. Nobody chooses the code of a genuine token: its parts are as good as hashes.
    const print = bitsOf(token, token.length - MAC_LENGTH + CHARACTERS_OF_BITS) | 1;
    const isSecondSight = this.#firstSights[place] === print;
    // A part of a string keeps the whole alive: what outlives the request must not be a part of its head.
    const ownToken = Buffer.from(token, "latin1").toString("latin1");
    const session = verifySessionToken(this.#keys.session, ownToken, nowMs);
    if (typeof session === "string") return session;
    const fresh = new KnownSession(session, this.#keys);
    if (isSecondSight) this.#remember(ownToken, fresh);
    else this.#firstSights[place] = print;
    return fresh;
  }

  #remember(token: string, known: KnownSession): void {
    if (this.#current.size >= this.#generationMax) {
      this.#previous = this.#current;
      this.#current = new Map();
    }
    this.#current.set(token, known);
  }
}

/** Some thirty bits of a code, mixed from six of its characters; not negative. */
function bitsOf(token: string, start: number): number {
  let bits = 0;
  for (let index = start; index < start + CHARACTERS_OF_BITS; index += 1) {
    bits = Math.imul(bits, 67) + token.charCodeAt(index);
  }
  return bits & 0x7fff_ffff;
}
