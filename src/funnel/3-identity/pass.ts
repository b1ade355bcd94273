/**
 * Passes: an attempt that was looked at before the sale opens, so that at T0 stages 3 to 6 are one code over a header.
 *
 * `p1.<saleId>.<sku>.<quantity>.<idempotency key, base64url>.<claims of the session>.<mac>`: a session narrowed to one
 * attempt whose challenge is solved. It carries the facts and not the verdict (level and age, not "eligible"; no opening
 * time), so that what an operator changes afterwards holds for passes at once. One attempt is all it can ever make, and
 * that one is idempotent and its owner's, so neither theft nor replay gives anybody anything. Nothing is stored.
 */
import type { SaleId, Sku } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import { malformed, plainRefusal, prepareRefusal } from "../refusal-answers.ts";
import type { HotRequest } from "../request.ts";
import type { HmacKey } from "./hmac.ts";
import { CLAIMS_PATTERN, readClaims, type Session, writeClaims } from "./session-token.ts";

/** The header that stands in the place of `Authorization` and of the signature. */
export const PASS_HEADER = "x-pass";

/** Longer headers are no passes: two ids, a key, the claims and the code leave room. */
const PASS_LENGTH_MAX = 640;

const PASS_PATTERN = new RegExp(
  `^p1\\.([A-Za-z0-9_-]{1,64})\\.([A-Za-z0-9_-]{1,64})\\.([1-9][0-9]{0,5})\\.([A-Za-z0-9_-]{11,86})\\.${CLAIMS_PATTERN.source}\\.([A-Za-z0-9_-]{43})$`,
);
const CLAIMS_GROUP = 5;

const TWO_PROOFS = prepareRefusal(
  malformed("X-Pass stands in the place of Authorization and X-Signature; send one or the other."),
);

/** What a buyer wants to do when the sale opens. */
export interface ArmedIntent {
  readonly saleId: SaleId;
  readonly sku: Sku;
  readonly quantity: number;
  /** The key that the attempt will carry. */
  readonly idempotencyKey: string;
}

/** A genuine pass: whose attempt it is, and of how many units. `session.expiresAt` is the pass's own. */
export interface Pass {
  readonly session: Session;
  readonly quantity: number;
}

function encodeKey(idempotencyKey: string): string {
  return Buffer.from(idempotencyKey, "latin1").toString("base64url");
}

/** The pass of an intent. `session.expiresAt` says when it ends; times are cut to whole seconds. */
export function mintPass(key: HmacKey, intent: ArmedIntent, session: Session): string {
  const { saleId, sku, quantity, idempotencyKey } = intent;
  const text = `p1.${saleId}.${sku}.${quantity}.${encodeKey(idempotencyKey)}.${writeClaims(session)}`;
  return `${text}.${key.sign(text)}`;
}

/**
 * The pass that a request carries; null when it carries none. A forged or expired pass, and one for another attempt than
 * this, is `pass_invalid`: whoever hears it asks with his session and the same key.
 */
export function readPass(key: HmacKey, request: HotRequest, nowMs: number): Pass | Refusal | null {
  const text = request.header(PASS_HEADER);
  if (text === null) return null;
  if (request.header("authorization") !== null || request.header("x-signature") !== null) return TWO_PROOFS;
  const parts = text.length > PASS_LENGTH_MAX ? null : PASS_PATTERN.exec(text);
  const mac = parts?.at(-1) ?? "";
  if (parts === null || !key.verify(text.slice(0, text.length - mac.length - 1), mac))
    return plainRefusal("pass_invalid");
  const [, saleId, sku, quantity, idempotencyKey] = parts;
  const isForThis =
    saleId === request.saleId &&
    sku === request.sku &&
    idempotencyKey === encodeKey(request.header("idempotency-key") ?? "");
  const session = readClaims(parts.slice(CLAIMS_GROUP));
  if (!isForThis || nowMs >= session.expiresAt) return plainRefusal("pass_invalid");
  return { session, quantity: Number(quantity) };
}
