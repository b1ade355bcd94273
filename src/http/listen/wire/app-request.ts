/**
 * A request as the app wants it: a web-standard Request, made of a head and, later, a body.
 *
 * The target goes through the URL parser, which straightens paths; that is harmless because no limit and no signature of
 * the app rests on the spelling. The hot route never comes this way.
 */
import type { RequestHead } from "./request-head.ts";

/** `http://somewhere/path` (RFC 9112, 3.2.2): the path is what counts. */
const ABSOLUTE = /^https?:\/\/[^/?@]*(?=[/?]|$)/i;
const WITHOUT_BODY: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Whether the app may read a body of this request. */
export function mayHaveBody(head: RequestHead): boolean {
  return !WITHOUT_BODY.has(head.method) && (head.isChunked || head.contentLength > 0);
}

/**
 * The request, or null when it is none that the web's own Request can be. Only what reads is told by its signal that nobody
 * waits any more: a signal that follows another is the dearest part of a Request on Node and the last to be collected.
 */
export function toRequest(
  head: RequestHead,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): Request | null {
  let path = head.target;
  if (!path.startsWith("/")) {
    if (!ABSOLUTE.test(path)) return null;
    path = path.replace(ABSOLUTE, "");
    if (!path.startsWith("/")) path = `/${path}`;
  }
  const host = head.header("host") || "localhost";
  try {
    const options: RequestInit & { duplex: "half" } = {
      method: head.method,
      headers: head.pairs(),
      duplex: "half",
      ...(WITHOUT_BODY.has(head.method) ? { signal } : {}),
    };
    return new Request(`http://${host}${path}`, body === null ? options : { ...options, body });
  } catch (error) {
    // A host that is no host, or a method that may not be sent.
    if (error instanceof TypeError) return null;
    throw error;
  }
}
