/**
 * The request signature: one canonical text per request, framed by line feeds that no part can contain.
 *
 * The server rebuilds the text from the request as it was sent, never from parsed parts, so two different requests
 * cannot share one text. The key is the session's own (session-cache.ts). docs/errors.md lists the
 * four refusals; freshness is ±30 s of the server's clock. Replays are replay-window.ts's subject.
 */
import { isIdempotencyKey } from "../../domain/ids.ts";
import type { RefusalReason } from "../../domain/refusals.ts";
import { isSameMac, signOnce } from "./hmac.ts";

/** How far a request's timestamp may be from the server's clock, either way. */
export const TIMESTAMP_SKEW_MS_MAX = 30_000;

const TIMESTAMP_PATTERN = /^[0-9]{1,15}$/;
const NONCE_PATTERN = /^[A-Za-z0-9_-]{16,64}$/;

/** What a signature covers. Absent key and digest are empty lines. */
export interface SignedParts {
  readonly method: string;
  readonly pathAndQuery: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly idempotencyKey: string;
  readonly contentDigest: string;
}

/** The text under the signature. */
export function canonicalForm(parts: SignedParts): string {
  return `v1\n${parts.method}\n${parts.pathAndQuery}\n${parts.timestamp}\n${parts.nonce}\n${parts.idempotencyKey}\n${parts.contentDigest}`;
}

export type CheckedSignature =
  | { readonly kind: "genuine"; readonly nonce: string }
  | { readonly kind: "refused"; readonly reason: Extract<RefusalReason, "signature_invalid" | "signature_stale"> };

const INVALID: CheckedSignature = { kind: "refused", reason: "signature_invalid" };
const STALE: CheckedSignature = { kind: "refused", reason: "signature_stale" };

/** Checks the signature of a request whose session is already proven. */
export function checkSignature(check: {
  /** The session's, one byte per character. */
  rawSigningKey: string;
  request: { method: string; pathAndQuery: string; header(name: string): string | null };
  signature: string;
  nowMs: number;
}): CheckedSignature {
  const { request } = check;
  const timestamp = request.header("x-timestamp");
  const nonce = request.header("x-nonce");
  if (timestamp === null || !TIMESTAMP_PATTERN.test(timestamp)) return INVALID;
  if (nonce === null || !NONCE_PATTERN.test(nonce)) return INVALID;
  if (Math.abs(Number(timestamp) - check.nowMs) > TIMESTAMP_SKEW_MS_MAX) return STALE;

  const idempotencyKey = request.header("idempotency-key") ?? "";
  if (idempotencyKey !== "" && !isIdempotencyKey(idempotencyKey)) return INVALID;
  const text = canonicalForm({
    method: request.method,
    pathAndQuery: request.pathAndQuery,
    timestamp,
    nonce,
    idempotencyKey,
    contentDigest: request.header("content-digest") ?? "",
  });
  const expected = signOnce(check.rawSigningKey, text);
  return isSameMac(expected, check.signature) ? { kind: "genuine", nonce } : INVALID;
}
