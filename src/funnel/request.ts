/**
 * What the funnel is given and what it answers, independent of the HTTP server underneath.
 *
 * The listener builds a HotRequest without touching the body: stages 1–6 decide from the path, the headers and the
 * address alone. A HotAnswer is usable as a `ResponseInit`, so a prebuilt refusal costs the listener no object.
 */

/** Why a body could not be had. "stalled" = its sender went away, or took too long. */
export type BodyFailure = "too_large" | "stalled";

/** A body, or why there is none. */
export type ReadBody = Uint8Array | BodyFailure;

/** One attempt as it arrived. Ids are unvalidated; what is not in the catalogue does not exist. */
export interface HotRequest {
  /** "POST": the only method that the listener hands over. The signature covers it. */
  readonly method: string;
  readonly saleId: string;
  readonly sku: string;
  /** Path and query exactly as sent: the signature covers them. */
  readonly pathAndQuery: string;
  /** The socket's address; who stands behind a trusted proxy is the throttle's question. */
  readonly remoteAddress: string;
  /** The value of a header by its lower-case name, null when absent. Repeated headers are joined with a comma. */
  header(name: string): string | null;
  /**
   * Reads the body, at most once, and never more than `bytesMax` of it. What came with the headers, as nearly every body
   * does, is there at once. Whoever calls it gives up waiting in time; the
   * listener closes a connection whose body never ends.
   */
  readBody(bytesMax: number): ReadBody | Promise<ReadBody>;
}

/** A complete answer. `headers` are shared and frozen; the listener adds the length, nothing else. */
export interface HotAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
