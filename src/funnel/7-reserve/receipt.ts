/**
 * Receipts: a statement of an acceptance that the server signs and can later recognise as its own.
 *
 * `r1.<rid>.<saleId>.<sku>.<quantity>.<holdUntil>.<mac>`, the time in base-36 milliseconds. The same acceptance always
 * gets the same receipt, also on another node. It proves what was promised; it is no ticket and opens nothing.
 */
import type { HmacKey } from "../3-identity/hmac.ts";

/** What was accepted. `holdUntil` in milliseconds since the epoch. */
export interface ReceiptFacts {
  readonly rid: string;
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly holdUntil: number;
}

/** The receipt of an acceptance. Ids contain no dot, so the parts cannot run together. */
export function signReceipt(key: HmacKey, facts: ReceiptFacts): string {
  const claims = `r1.${facts.rid}.${facts.saleId}.${facts.sku}.${facts.quantity}.${facts.holdUntil.toString(36)}`;
  return `${claims}.${key.sign(claims)}`;
}

const RECEIPT_PATTERN =
  /^(r1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([1-9][0-9]{0,8})\.([0-9a-z]{1,11}))\.([A-Za-z0-9_-]{43})$/;

/** What a receipt says, or null when we did not sign it. */
export function readReceipt(key: HmacKey, receipt: string): ReceiptFacts | null {
  const parts = RECEIPT_PATTERN.exec(receipt);
  if (parts === null) return null;
  const [, claims = "", rid = "", saleId = "", sku = "", quantity = "", holdUntil = "", mac = ""] = parts;
  if (!key.verify(claims, mac)) return null;
  return { rid, saleId, sku, quantity: Number(quantity), holdUntil: Number.parseInt(holdUntil, 36) };
}
