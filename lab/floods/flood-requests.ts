/**
 * What the floods say: each request from an address of its own, with a token of its own.
 *
 * Tokens of the forged flood have exactly the form of genuine ones, so that each costs the node a code to check and none is
 * told by its looks. The flood of addresses has genuine sessions, few of them, because what it is about is the table of
 * networks behind identity. The flood of sessions asks for a session from each address.
 */
import { randomBytes } from "node:crypto";
import type { BuyerId, SessionId } from "../../src/domain/ids.ts";
import { deriveKeys } from "../../src/funnel/3-identity/keys.ts";
import { mintSessionToken } from "../../src/funnel/3-identity/session-token.ts";
import { type FloodRequest, floodAddressOf } from "./flood.ts";

/** Kinds of flood. */
export const FLOOD_KINDS = ["forged", "addresses", "sessions"] as const;
export type FloodKind = (typeof FLOOD_KINDS)[number];

export interface FloodTarget {
  readonly secret: string;
  readonly saleId: string;
  readonly sku: string;
}

const GENUINE_SESSIONS = 512;
const HOUR_MS = 3_600_000;
/** Gets as far as the ledger's door and takes nothing, should it get past everything else. */
const NO_QUANTITY = '{"quantity":0}';
const GUEST = '{"kind":"guest"}';

/** The requests of a flood. */
export function floodRequestsOf(kind: FloodKind, target: FloodTarget): FloodRequest {
  if (kind === "sessions") {
    return (index) => post({ path: "/v1/sessions", address: floodAddressOf(index), body: GUEST, headers: "" });
  }
  const path = `/v1/sales/${target.saleId}/items/${target.sku}/reservations`;
  const tokenOf = kind === "forged" ? forger(target.secret) : genuine(target.secret);
  return (index) => {
    const headers = `Authorization: Bearer ${tokenOf(index)}\r\nIdempotency-Key: flood-${index}-of-the-lab\r\n`;
    return post({ path, address: floodAddressOf(index), body: NO_QUANTITY, headers });
  };
}

function post(request: { path: string; address: string; body: string; headers: string }): string {
  const { path, address, body, headers } = request;
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: ${address}\r\n${headers}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function mint(secret: string, name: string): string {
  return mintSessionToken(deriveKeys(secret).session, {
    sessionId: `session-${name}` as SessionId,
    buyerId: `buyer-${name}` as BuyerId,
    expiresAt: Date.now() + HOUR_MS,
    level: 0,
    accountCreatedAt: null,
    device: "",
    suspicion: 0,
  });
}

/** A genuine token's form with other names and a code that is none. */
function forger(secret: string): (index: number) => string {
  const model = mint(`${secret}-of-somebody-else`, "0000000").split(".");
  const code = randomBytes(32).toString("base64url");
  return (index) => {
    const name = index.toString(36).padStart(7, "0");
    const [version, , , ...claims] = model;
    return [version, `session-${name}`, `buyer-${name}`, ...claims.slice(0, -1), code.slice(0, 36) + name].join(".");
  };
}

function genuine(secret: string): (index: number) => string {
  const tokens = Array.from({ length: GENUINE_SESSIONS }, (_, index) => mint(secret, `flood-${index}`));
  return (index) => tokens[index % tokens.length] ?? "";
}
