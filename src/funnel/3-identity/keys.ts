/**
 * Every key of the deployment, derived from the one secret by HKDF-SHA-256 (RFC 5869), each with its own purpose.
 *
 * A key for one purpose says nothing about another, so a receipt can never be presented as a session. Nodes with the
 * same SECRET derive the same keys; nothing is stored. Changing a purpose string changes the key: raise its version.
 *
 * While SECRET is being changed there are two generations: everything is signed with the current one, and what the other
 * one signed is still recognised. A generation's `kid` stands at the beginning of its sessions' ids, because a request's
 * signature has to be checked with the key its session was given.
 */
import { createHmac } from "node:crypto";
import { CERTIFICATE_FORMAT } from "../../domain/certificate.ts";
import type { SessionId } from "../../domain/ids.ts";
import type { Random } from "../../ports/random.ts";
import { HmacKey } from "./hmac.ts";

/** Fixed, public: separates our use of the secret from any other use of the same secret. */
const EXTRACT_SALT = "doorbuster/v1";
const SIGNING_PURPOSE = "doorbuster/request-signature/v1|";
const FINGERPRINT_PURPOSE = "doorbuster/fingerprint/v1|";

/** Characters of a session id that name the generation of keys it was made with. */
const KID_LENGTH = 4;

export interface Keys {
  /** Names this generation; derived from the secret and says nothing about it. */
  readonly kid: string;
  /** The other generation, while the secret is being changed. */
  readonly previous: Keys | null;
  /** Signs session tokens. */
  readonly session: HmacKey;
  /** Signs passes, made before a sale opens. */
  readonly pass: HmacKey;
  /** Signs the tokens of challenges. */
  readonly challenge: HmacKey;
  /** 32 bytes: seals the answers of puzzles into the tokens of their challenges. */
  readonly puzzleSeal: Uint8Array;
  /** Signs what a solved challenge is worth. */
  readonly clearance: HmacKey;
  /** Hashes the signals of a page into a device key. */
  readonly device: HmacKey;
  /** The root of all per-session signing keys; see {@link signingKeyOf}. */
  readonly signatureRoot: HmacKey;
  /** Signs the receipts of accepted attempts. */
  readonly receipt: HmacKey;
  /** Signs capacity certificates. */
  readonly certificate: HmacKey;
  /** Signs the one-minute tickets of the event stream. */
  readonly eventTicket: HmacKey;
  /** 32 bytes: encrypts the cursors that buyers carry as `Last-Event-ID`. */
  readonly eventCursor: Uint8Array;
  /** Signs page cursors of lists. */
  readonly pageCursor: HmacKey;
  /** 32 bytes: seals what the database keeps of operators' one-time codes. */
  readonly operatorSeal: Uint8Array;
  /** Hashes the names of what nodes share through the edge: equal on all nodes, unknown outside. */
  readonly sharedHash: { readonly word0: number; readonly word1: number };
}

/** HKDF-Expand for one block: all our keys are one digest long. */
function expand(root: Uint8Array, purpose: string): Uint8Array {
  return createHmac("sha256", root).update(`${purpose}\u0001`).digest();
}

/**
 * All keys of a secret. The secret's own strength is the configuration's concern. `previousSecret`: what it was before, or is
 * going to be on nodes that were already changed; what it signed is accepted too.
 */
export function deriveKeys(secret: string, previousSecret: string | null = null): Keys {
  const previous = previousSecret === null ? null : deriveKeys(previousSecret);
  const root = createHmac("sha256", EXTRACT_SALT).update(secret).digest();
  const shared = new DataView(Uint8Array.from(expand(root, "doorbuster/shared-hash/v1")).buffer);
  const signer = (purpose: string, before: HmacKey | undefined): HmacKey =>
    new HmacKey(expand(root, purpose), before ?? null);
  return {
    kid: Buffer.from(expand(root, "doorbuster/kid/v1")).toString("base64url").slice(0, KID_LENGTH),
    previous,
    session: signer("doorbuster/session/v1", previous?.session),
    pass: signer("doorbuster/pass/v1", previous?.pass),
    challenge: signer("doorbuster/challenge/v1", previous?.challenge),
    puzzleSeal: expand(root, "doorbuster/puzzle-seal/v1"),
    clearance: signer("doorbuster/clearance/v1", previous?.clearance),
    device: new HmacKey(expand(root, "doorbuster/device/v1")),
    signatureRoot: new HmacKey(root),
    receipt: signer("doorbuster/receipt/v1", previous?.receipt),
    certificate: signer(CERTIFICATE_FORMAT, previous?.certificate),
    eventTicket: signer("doorbuster/event-ticket/v1", previous?.eventTicket),
    eventCursor: expand(root, "doorbuster/event-cursor/v1"),
    pageCursor: signer("doorbuster/page-cursor/v1", previous?.pageCursor),
    operatorSeal: expand(root, "doorbuster/operator-seal/v1"),
    sharedHash: { word0: shared.getUint32(0), word1: shared.getUint32(4) },
  };
}

/** What nodes of one deployment compare instead of their secrets: HKDF-Expand with the deployment's name in its purpose. */
export function fingerprintOf(keys: Keys, deployment: string): string {
  return keys.signatureRoot.sign(`${FINGERPRINT_PURPOSE}${deployment}\u0001`);
}

/** A fresh session id under the current keys. */
export function newSessionId(keys: Keys, random: Random): SessionId {
  return `${keys.kid}${random.id()}` as SessionId;
}

/** The session's signing key as one byte per character: HKDF-Expand with the session id in its purpose. */
export function rawSigningKeyOf(keys: Keys, sessionId: SessionId): string {
  const { previous } = keys;
  const root = previous !== null && sessionId.startsWith(previous.kid) ? previous.signatureRoot : keys.signatureRoot;
  return root.signRaw(`${SIGNING_PURPOSE}${sessionId}\u0001`);
}

/** The session's signing key as it is handed out, once, when the session starts: base64url. */
export function signingKeyOf(keys: Keys, sessionId: SessionId): string {
  return Buffer.from(rawSigningKeyOf(keys, sessionId), "latin1").toString("base64url");
}
