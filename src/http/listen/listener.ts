/**
 * What both listeners promise: one port, the hot route straight to the funnel, everything else to the app.
 *
 * The two twins (bun.ts, node.ts) only accept connections and move bytes; HTTP is wire/'s, the same on both, so that a
 * sale can be moved from one runtime to the other without a buyer noticing. Route, bounds and time limits stand here.
 */
import type { HotAnswer, HotRequest } from "../../funnel/request.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ConnectionCap } from "./connection-cap.ts";

/** What a hono app sees of the connection, as `c.env`. */
export interface ConnectionContext {
  readonly remoteAddress: string;
}

/** The part of a hono app that a listener needs. */
export interface FetchApp {
  fetch(request: Request, context: ConnectionContext): Response | Promise<Response>;
}

/** The part of the funnel that a listener needs. */
export interface HotRoute {
  decide(request: HotRequest): HotAnswer | Promise<HotAnswer>;
}

export interface ListenOptions {
  readonly hostname: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Lets several processes share the port where the system can. */
  readonly reusePort: boolean;
  /** Null on a listener without buyers (the operator's port). */
  readonly funnel: HotRoute | null;
  readonly app: FetchApp;
  /** No body of any route may be larger; routes may demand less. */
  readonly requestBytesMax: number;
  /**
   * A whole request, body included, must be there by then; default {@link REQUEST_DEADLINE_MS}. Routes bound their own
   * bodies more tightly; this is for the one that takes an allowlist as a stream.
   */
  readonly requestDeadlineMs?: number;
  /** What one address may hold of this listener; absent or null = anything. */
  readonly connectionCap?: ConnectionCap | null;
  /** For the time limit of {@link Listener.stop}. */
  readonly clock: Clock;
}

export interface Listener {
  readonly port: number;
  /**
   * Accepts no more connections, lets running requests finish for at most `drainMs`, then cuts what is left (event
   * streams among it). Resolves when the port is free.
   */
  stop(options: { drainMs: number }): Promise<void>;
}

/** Request headers, all of them together. */
export const HEADER_BYTES_MAX = 16_384;
/** The headers of a request must be complete by then. */
export const HEADERS_DEADLINE_MS = 5_000;
/** A whole request, body included, must be there by then. */
export const REQUEST_DEADLINE_MS = 10_000;
/** A connection without traffic is closed after this; event streams are exempt. */
export const IDLE_TIMEOUT_MS = 5_000;
/** A connection whose other end takes nothing of what is sent is given up by then; event streams beat more often. */
export const STALL_TIMEOUT_MS = 20_000;
/** An answer that is being worked on may take this long: longer than the batcher's own deadlines together. */
export const ANSWER_DEADLINE_MS = 15_000;

/** True for responses that stay open and silent between events. */
export function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

/** The ids of a hot path. */
export interface HotPath {
  readonly saleId: string;
  readonly sku: string;
}

const PREFIX = "/v1/sales/";
const MIDDLE = "/items/";
const SUFFIX = "/reservations";

/**
 * The ids when the path is `/v1/sales/{saleId}/items/{sku}/reservations`, else null. Ids are taken as they were sent:
 * a percent sign never occurs in one, so an encoded spelling is simply no sale.
 */
export function matchHotPath(pathAndQuery: string): HotPath | null {
  if (!pathAndQuery.startsWith(PREFIX)) return null;
  const query = pathAndQuery.indexOf("?");
  const end = query === -1 ? pathAndQuery.length : query;
  if (!pathAndQuery.startsWith(SUFFIX, end - SUFFIX.length)) return null;
  const saleEnd = pathAndQuery.indexOf("/", PREFIX.length);
  if (!pathAndQuery.startsWith(MIDDLE, saleEnd)) return null;
  const skuStart = saleEnd + MIDDLE.length;
  const skuEnd = end - SUFFIX.length;
  if (saleEnd === PREFIX.length || skuEnd <= skuStart) return null;
  const sku = pathAndQuery.slice(skuStart, skuEnd);
  return sku.includes("/") ? null : { saleId: pathAndQuery.slice(PREFIX.length, saleEnd), sku };
}
