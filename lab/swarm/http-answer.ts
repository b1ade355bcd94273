/**
 * Reads HTTP/1.1 answers from a socket's bytes: status, head and body, nothing else.
 *
 * One answer at a time (the crowd never pipelines), usually complete in one chunk, so the common path copies nothing.
 * Understands Content-Length, chunked bodies and the statuses without a body. Anything else is a ProtocolError: a load
 * generator that guesses would count wrong.
 */

const HEAD_BYTES_MAX = 16_384;
const BODY_BYTES_MAX = 16_777_216;
const HEAD_END = "\r\n\r\n";

/** A complete answer. */
export interface HttpAnswer {
  readonly status: number;
  /** The raw head in lower case, for {@link headerOf}. */
  readonly head: string;
  readonly body: string;
  /** The server will close this connection. */
  readonly closes: boolean;
}

/** The server sent something that is not the HTTP/1.1 we speak. */
export class ProtocolError extends Error {}

/** The value of a header (name in lower case), or null. */
export function headerOf(head: string, name: string): string | null {
  const at = head.indexOf(`\r\n${name}:`);
  if (at === -1) return null;
  const start = at + name.length + 3;
  const end = head.indexOf("\r\n", start);
  return head.slice(start, end === -1 ? head.length : end).trim();
}

/** Collects the chunks of one connection until an answer is complete. */
export class AnswerReader {
  private pending: Buffer | null = null;

  /** The answer, once complete; null while bytes are missing. Throws {@link ProtocolError}. */
  push(chunk: Buffer): HttpAnswer | null {
    const bytes = this.pending === null ? chunk : Buffer.concat([this.pending, chunk]);
    const read = readAnswer(bytes);
    if (read === null) {
      this.pending = bytes;
      return null;
    }
    if (read.bytesRead !== bytes.length) throw new ProtocolError("bytes after the end of the answer");
    this.pending = null;
    return read.answer;
  }
}

interface ReadAnswer {
  readonly answer: HttpAnswer;
  readonly bytesRead: number;
}

function readAnswer(bytes: Buffer): ReadAnswer | null {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd === -1) {
    if (bytes.length > HEAD_BYTES_MAX) throw new ProtocolError("head too large");
    return null;
  }
  const head = bytes.toString("latin1", 0, headEnd).toLowerCase();
  const status = Number(head.slice(9, 12));
  if (!head.startsWith("http/1.1 ") || !(status >= 100 && status <= 599)) throw new ProtocolError("no status line");
  const bodyStart = headEnd + HEAD_END.length;
  if (status < 200) {
    const rest = readAnswer(bytes.subarray(bodyStart));
    return rest === null ? null : { answer: rest.answer, bytesRead: bodyStart + rest.bytesRead };
  }
  const closes = headerOf(head, "connection") === "close";
  // A head that is too large is refused by the runtimes' parsers, which say nothing more and close.
  const isBare = status === 431 && closes && headerOf(head, "content-length") === null;
  if (status === 204 || status === 304 || isBare) {
    return { answer: { status, head, body: "", closes }, bytesRead: bodyStart };
  }
  if (headerOf(head, "transfer-encoding") === "chunked") {
    const chunked = readChunkedBody(bytes, bodyStart);
    return chunked === null ? null : { answer: { status, head, body: chunked.body, closes }, bytesRead: chunked.end };
  }
  const bodyLength = Number(headerOf(head, "content-length"));
  if (headerOf(head, "content-length") === null || !Number.isInteger(bodyLength) || bodyLength > BODY_BYTES_MAX) {
    throw new ProtocolError("no usable content-length");
  }
  const end = bodyStart + bodyLength;
  if (bytes.length < end) return null;
  return { answer: { status, head, body: bytes.toString("utf8", bodyStart, end), closes }, bytesRead: end };
}

function readChunkedBody(bytes: Buffer, bodyStart: number): { body: string; end: number } | null {
  const parts: Buffer[] = [];
  let at = bodyStart;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const length = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (!(length >= 0 && length <= BODY_BYTES_MAX)) throw new ProtocolError("bad chunk length");
    const dataStart = lineEnd + 2;
    const dataEnd = dataStart + length;
    if (bytes.length < dataEnd + 2) return null;
    if (bytes.toString("latin1", dataEnd, dataEnd + 2) !== "\r\n") throw new ProtocolError("chunk without end");
    if (length === 0) return { body: Buffer.concat(parts).toString("utf8"), end: dataEnd + 2 };
    parts.push(bytes.subarray(dataStart, dataEnd));
    at = dataEnd + 2;
  }
}
