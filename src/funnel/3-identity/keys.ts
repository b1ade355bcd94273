/**
 * Every key of the deployment, derived from the one secret by HKDF-SHA-256 (RFC 5869), each with its own purpose.
 *
 * A key for one purpose says nothing about another, so a receipt can never be presented as a session. Nodes with the
 * same SECRET derive the same keys; nothing is stored. Changing a purpose string changes the key: raise its version.
 */
import { createHmac } from "node:crypto";
import type { SessionId } from "../../domain/ids.ts";
import { HmacKey } from "./hmac.ts";

/** Fixed, public: separates our use of the secret from any other use of the same secret. */
const EXTRACT_SALT = "doorbuster/v1";
const SIGNING_PURPOSE = "doorbuster/request-signature/v1|";

export interface Keys {
  /** Signs session tokens. */
  readonly session: HmacKey;
  /** Signs passes, made before a sale opens. */
  readonly pass: HmacKey;
  /** Signs the tokens of challenges. */
  readonly challenge: HmacKey;
  /** Signs what a solved challenge is worth. */
  readonly clearance: HmacKey;
  /** The root of all per-session signing keys; see {@link signingKeyOf}. */
  readonly signatureRoot: HmacKey;
  /** Signs the receipts of accepted attempts. */
  readonly receipt: HmacKey;
  /** Signs the one-minute tickets of the event stream. */
  readonly eventTicket: HmacKey;
  /** 32 bytes: encrypts the cursors that buyers carry as `Last-Event-ID`. */
  readonly eventCursor: Uint8Array;
  /** Signs page cursors of lists. */
  readonly pageCursor: HmacKey;
  /** Hashes the names of what nodes share through the edge: equal on all nodes, unknown outside. */
  readonly sharedHash: { readonly word0: number; readonly word1: number };
}

/** HKDF-Expand for one block: all our keys are one digest long. */
function expand(root: Uint8Array, purpose: string): Uint8Array {
  return createHmac("sha256", root).update(`${purpose}\u0001`).digest();
}

/** All keys of a secret. The secret's own strength is the configuration's concern. */
export function deriveKeys(secret: string): Keys {
  const root = createHmac("sha256", EXTRACT_SALT).update(secret).digest();
  const shared = new DataView(Uint8Array.from(expand(root, "doorbuster/shared-hash/v1")).buffer);
  return {
    session: new HmacKey(expand(root, "doorbuster/session/v1")),
    pass: new HmacKey(expand(root, "doorbuster/pass/v1")),
    challenge: new HmacKey(expand(root, "doorbuster/challenge/v1")),
    clearance: new HmacKey(expand(root, "doorbuster/clearance/v1")),
    signatureRoot: new HmacKey(root),
    receipt: new HmacKey(expand(root, "doorbuster/receipt/v1")),
    eventTicket: new HmacKey(expand(root, "doorbuster/event-ticket/v1")),
    eventCursor: expand(root, "doorbuster/event-cursor/v1"),
    pageCursor: new HmacKey(expand(root, "doorbuster/page-cursor/v1")),
    sharedHash: { word0: shared.getUint32(0), word1: shared.getUint32(4) },
  };
}

/** The session's signing key as one byte per character: HKDF-Expand with the session id in its purpose. */
export function rawSigningKeyOf(keys: Keys, sessionId: SessionId): string {
  return keys.signatureRoot.signRaw(`${SIGNING_PURPOSE}${sessionId}\u0001`);
}

/** The session's signing key as it is handed out, once, when the session starts: base64url. */
export function signingKeyOf(keys: Keys, sessionId: SessionId): string {
  return Buffer.from(rawSigningKeyOf(keys, sessionId), "latin1").toString("base64url");
}
