/**
 * Who is asking: session token first, then the request's signature, then the replay window.
 *
 * The hot route and every other buyer route share one authenticator, so that a nonce used on one is known on all.
 * Everything is decided from headers; whether the body is the one that was signed is checked where it is read
 * (content-digest.ts). Leaves to others: whether this session may do what it asks.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { SignatureRule } from "../../domain/sale.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { keyedHash } from "../keyed-hash.ts";
import { plainRefusal } from "../refusal-answers.ts";
import type { Keys } from "./keys.ts";
import { ReplayWindow } from "./replay-window.ts";
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
   */
  readonly replay: "harmless" | "refused";
}

export interface Authenticator {
  /** The session, or the refusal of stage identity. Never throws, never waits. */
  authenticate(request: AuthenticatedRequest, demands: AuthenticationDemands): Session | Refusal;
}

/** Tells the two answers of an authenticator apart. */
export function isRefusal(answer: Session | Refusal): answer is Refusal {
  return "reason" in answer;
}

const BEARER = "Bearer ";

/** The scheme's name is case-insensitive (RFC 9110, 11.1). */
function isBearer(authorization: string): boolean {
  return authorization.startsWith(BEARER) || authorization.slice(0, BEARER.length).toLowerCase() === "bearer ";
}

/** One per process. `random` seeds the fingerprints of the replay window. */
export function createAuthenticator(parts: { keys: Keys; clock: Clock; random: Random }): Authenticator {
  const { keys, clock } = parts;
  const window = new ReplayWindow({ hash: keyedHash(parts.random) });
  const sessions = new SessionCache(keys);

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
      const use = window.remember({ sessionId: session.sessionId, nonce: checked.nonce, signature, nowMs });
      if (use === "reused" || (use === "repeated" && demands.replay === "refused")) {
        return plainRefusal("signature_replayed");
      }
      return session;
    },
  };
}
