/**
 * Builds the bytes of signed requests as the HTTP contract describes them, and of forged ones that break it.
 *
 * Deliberately a second implementation of the signature, written from the contract and sharing no code with the server
 * or the SDK: if both sides shared a mistake, every signature would match and nobody would notice. Requests may be
 * built ahead of time; their timestamp is the instant at which they are meant to leave.
 */
import { createHash, createHmac } from "node:crypto";

/** A buyer's presence at the shop, as `POST /v1/sessions` handed it out. */
export interface BuyerSession {
  readonly token: string;
  readonly signingKey: Uint8Array;
  readonly buyerId: string;
  /** The address the buyer comes from, told to the node by the proxy in front of it. */
  readonly forwardedFor: string;
}

/** What a request says, apart from who says it. */
export interface RequestContent {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body: string | null;
  readonly idempotencyKey: string | null;
  readonly timestampMs: number;
  readonly nonce: string;
}

/** What a forger changes after, or instead of, signing. Absent members stay honest. */
export interface Tampering {
  /** Signs with this key instead of the session's own. */
  readonly signingKey?: Uint8Array;
  /** Sent in place of the real signature; null sends none. */
  readonly signature?: string | null;
  /** Sent although the signature covers the honest value. */
  readonly path?: string;
  readonly body?: string;
  readonly idempotencyKey?: string;
  readonly token?: string;
}

const DIGESTS_MAX = 64;
const digests = new Map<string, string>();

/** `Content-Digest` of a body (RFC 9530). The crowd sends few different bodies, so the digests are remembered. */
export function contentDigest(body: string): string {
  const known = digests.get(body);
  if (known !== undefined) return known;
  const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
  if (digests.size < DIGESTS_MAX) digests.set(body, digest);
  return digest;
}

/** The signature of a request under a key. */
export function sign(content: RequestContent, signingKey: Uint8Array): string {
  const digest = content.body === null ? "" : contentDigest(content.body);
  const canonical = `v1\n${content.method}\n${content.path}\n${content.timestampMs}\n${content.nonce}\n${content.idempotencyKey ?? ""}\n${digest}`;
  return createHmac("sha256", signingKey).update(canonical).digest("base64url");
}

/** The bytes of a signed request. */
export function buildSignedRequest(
  session: BuyerSession,
  content: RequestContent,
  host: string,
  tampering: Tampering = {},
): Buffer {
  const signature =
    tampering.signature === undefined ? sign(content, tampering.signingKey ?? session.signingKey) : tampering.signature;
  const body = tampering.body ?? content.body;
  const idempotencyKey = tampering.idempotencyKey ?? content.idempotencyKey;
  let text = `${content.method} ${tampering.path ?? content.path} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: ${session.forwardedFor}\r\nAuthorization: Bearer ${tampering.token ?? session.token}\r\nX-Timestamp: ${content.timestampMs}\r\nX-Nonce: ${content.nonce}\r\n`;
  if (signature !== null) text += `X-Signature: ${signature}\r\n`;
  if (idempotencyKey !== null) text += `Idempotency-Key: ${idempotencyKey}\r\n`;
  if (content.body !== null) text += `Content-Digest: ${contentDigest(content.body)}\r\n`;
  return finish(text, body);
}

/** The bytes of a request that needs no signature. */
export function buildPlainRequest(request: {
  method: "GET" | "POST";
  path: string;
  host: string;
  forwardedFor: string;
  body: string | null;
  contentType?: string;
}): Buffer {
  const text = `${request.method} ${request.path} HTTP/1.1\r\nHost: ${request.host}\r\nX-Forwarded-For: ${request.forwardedFor}\r\n`;
  return finish(text, request.body, request.contentType);
}

function finish(head: string, body: string | null, contentType = "application/json"): Buffer {
  if (body === null) return Buffer.from(`${head}\r\n`, "latin1");
  const bytes = `${head}Content-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return Buffer.from(bytes, "utf8");
}
