/**
 * Who is asking: session token first, then the request's signature, then the replay window.
 *
 * The hot route and every other buyer route share one authenticator, so that a nonce used on one is known on all.
 * Everything is decided from headers; whether the body is the one that was signed is checked where it is read
 * (content-digest.ts). Other nodes' nonces are only asked about where a replay would do harm: the hot route is idempotent
 * and waits for nobody. Leaves to others: whether this session may do what it asks.
 */
import { isFault } from "../../domain/faults.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { SignatureRule } from "../../domain/sale.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EdgeState } from "../../ports/edge-state.ts";
import type { Random } from "../../ports/random.ts";
import { hexOfWords, KeyedHash, keyedHash } from "../keyed-hash.ts";
import { plainRefusal } from "../refusal-answers.ts";
import type { Keys } from "./keys.ts";
import { GENERATION_MS, ReplayWindow } from "./replay-window.ts";
import { SessionCache } from "./session-cache.ts";
import type { Session } from "./session-token.ts";
import { checkSignature } from "./signature.ts";

/** The parts of a request that prove who sent it. */
export interface AuthenticatedRequest {
  readonly method: string;
  /** Exactly as sent. */
  readonly pathAndQuery: string;
  header(name: string): string | null;
}

export interface AuthenticationDemands {
  /** "required" refuses unsigned requests; a signature that is sent is checked in any case. */
  readonly signature: SignatureRule;
  /**
   * "harmless": the call is idempotent, so the identical signed request may come again and gets its answer again.
   * "refused": any second use of a nonce is `signature_replayed`.
   * "later": as "harmless", but the nonce is looked at by {@link Authenticator.noteUse}: where nearly all requests end in
   * a refusal that changes nothing, remembering theirs would only cost memory.
   */
  readonly replay: "harmless" | "refused" | "later";
}

export interface Authenticator {
  /** The session, or the refusal of stage identity. Never throws, never waits. */
  authenticate(request: AuthenticatedRequest, demands: AuthenticationDemands): Session | Refusal;
  /** After `authenticate` with "later", once the request is about to have an effect: null, or `signature_replayed`. */
  noteUse(request: AuthenticatedRequest, session: Session): Refusal | null;
  /**
   * For calls that a replay would repeat, after `authenticate` with "refused" and after the throttle: null, or
   * `signature_replayed` when the nonce was used on another node. Waits for the edge as long as that may take, a fraction
   * of a second; without an edge, or with a dead one, this node's own window has already decided.
   */
  claimNonce(request: AuthenticatedRequest, session: Session): Promise<Refusal | null>;
}

/** Tells the two answers of an authenticator apart. */
export function isRefusal(answer: object): answer is Refusal {
  return "reason" in answer;
}

const BEARER = "Bearer ";

/** The scheme's name is case-insensitive (RFC 9110, 11.1). */
function isBearer(authorization: string): boolean {
  return authorization.startsWith(BEARER) || authorization.slice(0, BEARER.length).toLowerCase() === "bearer ";
}

export interface AuthenticatorParts {
  readonly keys: Keys;
  readonly clock: Clock;
  /** Seeds the fingerprints of the replay window. */
  readonly random: Random;
  /** Where nodes share used nonces; absent or null = each has its own. */
  readonly edge?: Pick<EdgeState, "claimNonce"> | null;
}

/** One per process. */
export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { keys, clock } = parts;
  const window = new ReplayWindow({ hash: keyedHash(parts.random) });
  const sessions = new SessionCache(keys);
  const claims = new NonceClaims(parts);

  return {
    authenticate(request, demands) {
      const authorization = request.header("authorization");
      if (authorization === null) return plainRefusal("session_missing");
      if (!isBearer(authorization)) return plainRefusal("session_invalid");
      const nowMs = clock.nowMs();
      const known = sessions.find(authorization.slice(BEARER.length), nowMs);
      if (typeof known === "string") return plainRefusal(known);
      const { session } = known;

      const signature = request.header("x-signature");
      if (signature === null) {
        return demands.signature === "required" ? plainRefusal("signature_missing") : session;
      }
      const checked = checkSignature({ rawSigningKey: known.rawSigningKey, request, signature, nowMs });
      if (checked.kind === "refused") return plainRefusal(checked.reason);
      if (demands.replay === "later") return session;
      const use = window.remember({ sessionId: session.sessionId, nonce: checked.nonce, signature, nowMs });
      if (use === "reused" || (use === "repeated" && demands.replay === "refused")) {
        return plainRefusal("signature_replayed");
      }
      return session;
    },

    noteUse(request, session) {
      const signature = request.header("x-signature");
      const nonce = request.header("x-nonce");
      if (signature === null || nonce === null) return null;
      const use = window.remember({ sessionId: session.sessionId, nonce, signature, nowMs: clock.nowMs() });
      return use === "reused" ? plainRefusal("signature_replayed") : null;
    },

    async claimNonce(request, session) {
      const nonce = request.header("x-nonce");
      // An unsigned request, where it is allowed at all, has nothing to be recognised by.
      if (request.header("x-signature") === null || nonce === null) return null;
      const isFirst = await claims.claim({ sessionId: session.sessionId, nonce });
      return isFirst ? null : plainRefusal("signature_replayed");
    },
  };
}

/** Nonces that this node has not seen, claimed among all nodes. */
class NonceClaims {
  readonly #edge: Pick<EdgeState, "claimNonce"> | null;
  readonly #hash: KeyedHash;

  constructor(parts: AuthenticatorParts) {
    this.#edge = parts.edge ?? null;
    this.#hash = new KeyedHash(parts.keys.sharedHash);
  }

  /** True when nobody who answers has seen it. */
  async claim({ sessionId, nonce }: { sessionId: string; nonce: string }): Promise<boolean> {
    if (this.#edge === null) return true;
    const names = { sessionKey: this.#nameOf(sessionId), nonceKey: this.#nameOf(nonce) };
    try {
      return await this.#edge.claimNonce({ ...names, ttlMs: GENERATION_MS });
    } catch (error) {
      if (isFault(error, "EDGE_UNAVAILABLE")) return true;
      throw error;
    }
  }

  #nameOf(text: string): string {
    this.#hash.update(text);
    return hexOfWords(this.#hash);
  }
}
