/**
 * The text of server-sent events (WHATWG HTML, "Server-sent events").
 *
 * Data is one line of JSON: JSON.stringify escapes carriage returns and line feeds, so no name that a buyer or operator
 * chose can end a frame or begin another one. Ids are ours and base64url.
 */
import type { Reservation } from "../domain/reservation.ts";

/** A changed reservation, as its owner sees it. */
export function reservationFrame(reservation: Reservation, id: string): string {
  return `event: reservation\nid: ${id}\ndata: ${JSON.stringify(reservation)}\n\n`;
}

/** Moves the reader's Last-Event-ID on without an event: a frame without data is not dispatched. */
export function positionFrame(id: string): string {
  return `id: ${id}\n\n`;
}

/** Keeps proxies from closing a quiet connection, and finds out whether the reader is still there. */
export function heartbeatFrame(): string {
  return ": heartbeat\n\n";
}

/** How long the reader waits before it connects again; the first bytes of every stream. */
export function retryFrame(retryMs: number): string {
  return `retry: ${Math.round(retryMs)}\n\n`;
}
