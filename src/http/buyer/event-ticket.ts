/**
 * One-minute tickets for the event stream, because a browser's EventSource cannot send a header.
 *
 * `t1.<buyerId>.<expiresAt>.<nonce>.<mac>`, time in base-36 seconds. A ticket may show up in an access log, hence so
 * short a life and no right but to listen; it opens streams again within its minute, so a reconnect needs no new one.
 */
import { type BuyerId, parseBuyerId } from "../../domain/ids.ts";
import type { HmacKey } from "../../funnel/3-identity/hmac.ts";

/** How long a ticket opens streams. */
export const EVENT_TICKET_TTL_MS = 60_000;

const PATTERN = /^t1\.([A-Za-z0-9_-]{1,64})\.([0-9a-z]{1,9})\.[A-Za-z0-9_-]{22}\.([A-Za-z0-9_-]{43})$/;
const BASE = 36;

/** A ticket with its end, in milliseconds since the epoch and whole seconds. */
export interface EventTicket {
  readonly ticket: string;
  readonly expiresAt: number;
}

/** Makes a ticket of the buyer. `nonce`: 22 random characters, so that no two tickets are equal. */
export function mintEventTicket(key: HmacKey, facts: { buyerId: BuyerId; nonce: string; nowMs: number }): EventTicket {
  const expiresAtS = Math.floor((facts.nowMs + EVENT_TICKET_TTL_MS) / 1_000);
  const claims = `t1.${facts.buyerId}.${expiresAtS.toString(BASE)}.${facts.nonce}`;
  return { ticket: `${claims}.${key.sign(claims)}`, expiresAt: expiresAtS * 1_000 };
}

/** The buyer, or why the ticket is not good. The code is checked before anything in the ticket is believed. */
export function verifyEventTicket(
  key: HmacKey,
  ticket: string,
  nowMs: number,
): { readonly buyerId: BuyerId } | "session_invalid" | "session_expired" {
  const [, buyer, expires, mac] = PATTERN.exec(ticket) ?? [];
  const buyerId = parseBuyerId(buyer);
  if (buyerId === null || expires === undefined || mac === undefined) return "session_invalid";
  if (!key.verify(ticket.slice(0, ticket.length - mac.length - 1), mac)) return "session_invalid";
  return nowMs >= Number.parseInt(expires, BASE) * 1_000 ? "session_expired" : { buyerId };
}
