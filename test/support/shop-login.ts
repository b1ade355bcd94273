/**
 * A shop's own login, as its token service would issue it: JSON Web Tokens signed with the shared secret, and every
 * way of forging one that we know.
 */
import { createHmac } from "node:crypto";

/** Shared between the tests and the nodes they start. */
export const SHOP_SECRET = "a-shop-secret-of-more-than-thirty-two-bytes";
const MINUTE_S = 60;

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A token; `header` and `secret` can be wrong on purpose. */
export function shopToken(
  claims: Readonly<Record<string, unknown>> = {},
  forgery: { header?: Readonly<Record<string, unknown>>; secret?: string } = {},
): string {
  const nowS = Math.floor(Date.now() / 1_000);
  const payload = { iss: "https://shop.example", sub: "customer-1", iat: nowS, exp: nowS + 10 * MINUTE_S, ...claims };
  const signed = `${encode(forgery.header ?? { alg: "HS256", typ: "JWT" })}.${encode(payload)}`;
  const mac = createHmac("sha256", forgery.secret ?? SHOP_SECRET)
    .update(signed)
    .digest("base64url");
  return `${signed}.${mac}`;
}

/** A token without a signature that says it needs none. */
export function unsignedShopToken(algorithm: string): string {
  const [, payload] = shopToken().split(".");
  return `${encode({ alg: algorithm, typ: "JWT" })}.${payload}.`;
}
