/**
 * Tokens that were verified lately: whoever comes again is recognised without hashing his token again.
 *
 * A buyer who waits for units to come back asks every few seconds; verifying his token is then most of what a refusal
 * costs. Only genuine tokens get in, so forgers cannot fill it, and it holds two generations of bounded size, so nobody
 * can: a token is forgotten when that many others came after it. Expiry is checked each time by the caller. The session's
 * signing key lies beside it, because deriving it costs as much as the signature it checks.
 */
import { type Keys, rawSigningKeyOf } from "./keys.ts";
import { type Session, verifySessionToken } from "./session-token.ts";

/** Tokens per generation; about 500 bytes each. */
export const TOKENS_PER_GENERATION_MAX = 32_768;

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
    // A part of a string keeps the whole alive: what is remembered must not be a part of the request's head.
    const ownToken = Buffer.from(token, "latin1").toString("latin1");
    const session = verifySessionToken(this.#keys.session, ownToken, nowMs);
    if (typeof session === "string") return session;
    const fresh = new KnownSession(session, this.#keys);
    if (this.#current.size >= this.#generationMax) {
      this.#previous = this.#current;
      this.#current = new Map();
    }
    this.#current.set(ownToken, fresh);
    return fresh;
  }
}
