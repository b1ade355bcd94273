/**
 * Identifiers: branded strings, their validation, and the derivation of a reservation id.
 *
 * An id that has passed through here is safe inside a path, a SQL array, a Redis key and a log line: it
 * matches ID_PATTERN, so separators can never occur in it. Making random ids is the Random port's work.
 */
import { hash } from "node:crypto";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A sale, as the operator named it or as we made it. */
export type SaleId = Branded<"SaleId">;
/** An item inside its sale. */
export type Sku = Branded<"Sku">;
/** A buyer: random for guests, derived from issuer and subject for a shop's own login. */
export type BuyerId = Branded<"BuyerId">;
/** A reservation. Derived, never drawn: see {@link deriveRid}. */
export type Rid = Branded<"Rid">;
/** A session: the salt of its signing key. */
export type SessionId = Branded<"SessionId">;

const ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e]{8,64}$/;

const RID_LENGTH = 28;
const BUYER_ID_LENGTH = 22;

/** True for anything that may serve as an id in a path, a body or a header. */
export function isId(value: unknown): value is string {
  return typeof value === "string" && ID_PATTERN.test(value);
}

/** The value as a sale id, or null when it is not an id. */
export function parseSaleId(value: unknown): SaleId | null {
  return isId(value) ? (value as SaleId) : null;
}

/** The value as a sku, or null when it is not an id. */
export function parseSku(value: unknown): Sku | null {
  return isId(value) ? (value as Sku) : null;
}

/** The value as a buyer id, or null when it is not an id. */
export function parseBuyerId(value: unknown): BuyerId | null {
  return isId(value) ? (value as BuyerId) : null;
}

/** The value as a reservation id, or null when it is not an id. */
export function parseRid(value: unknown): Rid | null {
  return isId(value) ? (value as Rid) : null;
}

/** The value as a session id, or null when it is not an id. */
export function parseSessionId(value: unknown): SessionId | null {
  return isId(value) ? (value as SessionId) : null;
}

/** True for 8 to 64 visible ASCII characters, the form of an `Idempotency-Key`. */
export function isIdempotencyKey(value: string | null): value is string {
  return value !== null && IDEMPOTENCY_KEY_PATTERN.test(value);
}

/**
 * The reservation id of an attempt: 168 bits of SHA-256 over buyer, sale and idempotency key.
 *
 * Deriving it means the same key finds the same reservation on every node and in every mode, with nothing stored
 * before the reservation itself. A line feed separates the parts because none of them can contain one.
 */
export function deriveRid(attempt: { buyerId: BuyerId; saleId: SaleId; idempotencyKey: string }): Rid {
  const digest = hash("sha256", `${attempt.buyerId}\n${attempt.saleId}\n${attempt.idempotencyKey}`, "base64url");
  return digest.slice(0, RID_LENGTH) as Rid;
}

/** The stable, opaque buyer id of a shop's own login: 132 bits of SHA-256 over issuer and subject. */
export function deriveBuyerId(login: { issuer: string; subject: string }): BuyerId {
  const digest = hash("sha256", `${login.issuer}\n${login.subject}`, "base64url");
  return digest.slice(0, BUYER_ID_LENGTH) as BuyerId;
}
