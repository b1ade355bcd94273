/**
 * The requests of a measurement, built and signed before the clock starts: one buffer each, every buyer another.
 *
 * Timestamps must be within ±30 s of the server's clock, so a book is built right before it is used and is good for
 * one short run. Signing is done here from the contract (docs: API, "canonical"), with the server's own key derivation.
 */
import { createHash, createHmac } from "node:crypto";
import { parseBuyerId, parseSessionId } from "../../src/domain/ids.ts";
import { deriveKeys, signingKeyOf } from "../../src/funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../src/funnel/3-identity/session-token.ts";

/** What the requests of a path look like. */
export interface RequestShape {
  /** "none" sends no session; "forged" one with a wrong MAC. */
  readonly session: "none" | "forged" | "genuine";
  /** "wrong" signs with another key. */
  readonly signature: "none" | "wrong" | "right";
  /** How many different sessions send; fewer than `count` makes them repeat themselves. Each is another buyer's as a rule. */
  readonly buyers: number;
}

export interface BookOptions {
  readonly secret: string;
  readonly saleId: string;
  readonly sku: string;
  readonly count: number;
  readonly shape: RequestShape;
  /** Makes the buyers and keys of this book differ from those of every other. */
  readonly run: string;
  /** Makes keys and nonces differ from another book of the same buyers. */
  readonly again?: string;
  /** Where the requests go in turns, instead of to the one sale and item. */
  readonly targets?: readonly BookTarget[];
  /** The first buyer's number: books of one run that begin elsewhere are of other buyers. */
  readonly firstBuyer?: number;
  /** Sessions of one buyer; 1 when absent. */
  readonly sessionsPerBuyer?: number;
}

/** An item of a sale. */
export interface BookTarget {
  readonly saleId: string;
  readonly sku: string;
}

const BODY = '{"quantity":1}';
const DIGEST = `sha-256=:${createHash("sha256").update(BODY).digest("base64")}:`;
const SESSION_MS = 3_600_000;
const KEY_LENGTH_MIN = 8;
const NONCE_LENGTH_MIN = 16;

/** Builds `count` complete requests. */
export function buildRequests(options: BookOptions): readonly Buffer[] {
  const paths = (options.targets ?? [options]).map(
    ({ saleId, sku }) => `/v1/sales/${saleId}/items/${sku}/reservations`,
  );
  const first = options.firstBuyer ?? 0;
  const sessions = Array.from({ length: options.shape.buyers }, (_, index) => sessionOf(options, index));
  return Array.from({ length: options.count }, (_, index) => {
    const session = sessions[index % sessions.length];
    const path = paths[index % paths.length] ?? "";
    const key = `key-${options.run}${options.again ?? ""}-${first + index}`.padEnd(KEY_LENGTH_MIN, "_");
    const lines = [`POST ${path} HTTP/1.1`, "Host: 127.0.0.1", "Content-Type: application/json"];
    if (session !== undefined) lines.push(`Authorization: Bearer ${session.token}`);
    lines.push(`Idempotency-Key: ${key}`, `Content-Digest: ${DIGEST}`);
    if (session !== undefined && options.shape.signature !== "none") {
      lines.push(
        ...signatureLines({
          path,
          key,
          signingKey: session.signingKey,
          nonce: `nonce-${options.run}${options.again ?? ""}-${first + index}`.padEnd(NONCE_LENGTH_MIN, "_"),
        }),
      );
    }
    lines.push(`Content-Length: ${BODY.length}`, "", BODY);
    return Buffer.from(lines.join("\r\n"));
  });
}

interface BenchSession {
  readonly token: string;
  readonly signingKey: string;
}

/** A session of the book's buyer of that number. */
export function mintBookToken(who: { readonly secret: string; readonly run: string; readonly number: number }): string {
  return genuineSession({ ...who, sessionsPerBuyer: 1 }).token;
}

function sessionOf(options: BookOptions, index: number): BenchSession | undefined {
  if (options.shape.session === "none") return undefined;
  const { secret, run, firstBuyer = 0, sessionsPerBuyer = 1, shape } = options;
  const { token, signingKey } = genuineSession({ secret, run, number: firstBuyer + index, sessionsPerBuyer });
  const forged = `${token.slice(0, -4)}${token.endsWith("AAAA") ? "BBBB" : "AAAA"}`;
  return {
    token: shape.session === "forged" ? forged : token,
    signingKey: shape.signature === "wrong" ? `${signingKey.slice(0, -4)}AAAA` : signingKey,
  };
}

function genuineSession(who: { secret: string; run: string; number: number; sessionsPerBuyer: number }): BenchSession {
  const { secret, run, number, sessionsPerBuyer } = who;
  const keys = deriveKeys(secret);
  const buyerId = parseBuyerId(`bench-${run}-${Math.floor(number / sessionsPerBuyer)}`);
  const sessionId = parseSessionId(`session-${run}-${number}`);
  if (buyerId === null || sessionId === null) throw new Error(`not an id: ${run}`);
  const expiresAt = (Math.floor(Date.now() / 1_000) + SESSION_MS / 1_000) * 1_000;
  const claims = { sessionId, buyerId, expiresAt, level: 0, accountCreatedAt: null, device: "", suspicion: 0 };
  return { token: mintSessionToken(keys.session, claims), signingKey: signingKeyOf(keys, sessionId) };
}

function signatureLines(request: { path: string; key: string; signingKey: string; nonce: string }): readonly string[] {
  const timestamp = String(Date.now());
  const canonical = ["v1", "POST", request.path, timestamp, request.nonce, request.key, DIGEST].join("\n");
  const signature = createHmac("sha256", Buffer.from(request.signingKey, "base64url")).update(canonical);
  return [`X-Timestamp: ${timestamp}`, `X-Nonce: ${request.nonce}`, `X-Signature: ${signature.digest("base64url")}`];
}
