/**
 * Sessions made with the deployment's own SECRET: for crowds that need thousands at once, and for sessions that ended.
 *
 * This is the one place where black-box tests touch the product's code; everything about how sessions are
 * obtained and refused over HTTP is tested without it.
 */
import { randomBytes } from "node:crypto";
import type { BuyerId, SessionId } from "../../src/domain/ids.ts";
import { deriveKeys, type Keys, signingKeyOf } from "../../src/funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../src/funnel/3-identity/session-token.ts";
import type { Session } from "./buyer-client.ts";

const HOUR_MS = 3_600_000;

/** What a session may say besides the usual: an hour of a new guest about whom nothing is known. */
export interface SessionClaims {
  readonly buyerId?: string;
  readonly expiresAt?: number;
  readonly level?: number;
  readonly accountCreatedAt?: number;
  readonly device?: string;
  readonly suspicion?: number;
}

export class SessionMint {
  readonly #keys: Keys;

  constructor(secret: string) {
    this.#keys = deriveKeys(secret);
  }

  /** A guest's session of a new buyer, or of the named one. */
  mint(claims: SessionClaims = {}): Session {
    const sessionId = randomBytes(16).toString("base64url") as SessionId;
    const buyerId = (claims.buyerId ?? randomBytes(16).toString("base64url")) as BuyerId;
    const expiresAt = claims.expiresAt ?? Date.now() + HOUR_MS;
    const { level = 0, accountCreatedAt = null, device = "", suspicion = 0 } = claims;
    const session = { sessionId, buyerId, expiresAt, level, accountCreatedAt, device, suspicion };
    const token = mintSessionToken(this.#keys.session, session);
    return { token, signingKey: signingKeyOf(this.#keys, sessionId), buyerId, expiresAt };
  }
}
