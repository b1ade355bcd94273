/**
 * Request signatures, made with WebCrypto: HMAC-SHA-256 over the canonical form of the contract.
 *
 * The key is imported as non-extractable and never leaves memory. WebCrypto exists only in secure contexts (https, or
 * localhost); elsewhere importing the key fails with an error that says so.
 */

/** The parts of a request under its signature; absent key and digest are empty. */
export interface SignedRequest {
  readonly method: string;
  /** As it will be sent. */
  readonly pathAndQuery: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly idempotencyKey: string;
  readonly contentDigest: string;
}

const NONCE_BYTES = 16;

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function subtleCrypto(): SubtleCrypto {
  const { subtle } = globalThis.crypto as { subtle?: SubtleCrypto };
  if (subtle === undefined) throw new Error("Signing needs a secure page: open it over https or on localhost.");
  return subtle;
}

/** 128 random bits in the form of a nonce, also good as an idempotency key. */
export function randomToken(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
}

/** The `Content-Digest` of a body (RFC 9530). */
export async function contentDigestOf(body: string): Promise<string> {
  const digest = await subtleCrypto().digest("SHA-256", new TextEncoder().encode(body));
  return `sha-256=:${toBase64(new Uint8Array(digest))}:`;
}

/** A request before it is signed. */
export interface UnsignedRequest {
  readonly method: string;
  readonly baseUrl: string;
  /** Below the base, with its query. */
  readonly path: string;
  readonly body?: string;
  readonly idempotencyKey?: string;
  /** The server's time. */
  readonly nowMs: number;
}

/** The headers that sign a request, under a fresh nonce. */
export async function signatureHeaders(key: SigningKey, request: UnsignedRequest): Promise<Record<string, string>> {
  const { method, baseUrl, path, body } = request;
  const contentDigest = body === undefined ? "" : await contentDigestOf(body);
  const timestamp = String(Math.round(request.nowMs));
  const nonce = randomToken();
  const queryStart = path.indexOf("?");
  const query = queryStart === -1 ? "" : path.slice(queryStart);
  const signature = await key.sign({
    method,
    pathAndQuery: new URL(`${baseUrl}${path}`, "http://localhost").pathname + query,
    timestamp,
    nonce,
    idempotencyKey: request.idempotencyKey ?? "",
    contentDigest,
  });
  return {
    "x-timestamp": timestamp,
    "x-nonce": nonce,
    "x-signature": signature,
    ...(contentDigest === "" ? {} : { "content-digest": contentDigest }),
  };
}

/** A session's signing key, ready for use. */
export class SigningKey {
  readonly #key: CryptoKey;

  private constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** Takes the `signingKey` of a session. */
  static async import(signingKey: string): Promise<SigningKey> {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await subtleCrypto().importKey("raw", fromBase64Url(signingKey), algorithm, false, ["sign"]);
    return new SigningKey(key);
  }

  /** The `X-Signature` of a request. */
  async sign(request: SignedRequest): Promise<string> {
    const text = [
      "v1",
      request.method,
      request.pathAndQuery,
      request.timestamp,
      request.nonce,
      request.idempotencyKey,
      request.contentDigest,
    ].join("\n");
    const signature = await subtleCrypto().sign("HMAC", this.#key, new TextEncoder().encode(text));
    return toBase64Url(new Uint8Array(signature));
  }
}
