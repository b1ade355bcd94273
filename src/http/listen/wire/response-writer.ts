/**
 * Writes a web-standard Response to a connection: whole where it is short, in chunks where it goes on.
 *
 * Reads no faster than the other end takes: what waits here is one piece. An event stream's first bytes leave at once. What
 * the app says about the connection or the framing is ours to say, and left out.
 */
import { isEventStream } from "../listener.ts";
import { type DateLine, statusLine } from "./hot-bytes.ts";

/** Where a response goes. */
export interface Outlet {
  /** HTTP/1.0 knows no chunks; what goes on ends with the connection. */
  readonly knowsChunks: boolean;
  /** Whether the connection ends after this response. */
  readonly isLast: boolean;
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  /** Takes all the bytes; resolves when it can take more, with false when nobody takes anything any more. */
  send(bytes: Uint8Array): true | Promise<boolean>;
  /** Event streams may be silent for as long as they like. */
  markEndless(): void;
}

const OURS: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "content-length", "date"]);
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

type Reader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** Writes all of it. True when the connection can be used again. */
export async function writeResponse(
  response: Response,
  { outlet, isHead, date }: { outlet: Outlet; isHead: boolean; date: DateLine },
): Promise<boolean> {
  const head = headOf(response, date, outlet.isLast);
  const { status, body } = response;
  if (isHead || body === null || status === NO_CONTENT || status === NOT_MODIFIED) {
    const announced = isHead ? response.headers.get("content-length") : null;
    if (body !== null) await body.cancel();
    const isSilent = status === NO_CONTENT || status === NOT_MODIFIED || (isHead && announced === null);
    const length = isSilent ? "" : `content-length: ${announced ?? 0}\r\n`;
    await outlet.send(Buffer.from(`${head}${length}\r\n`, "latin1"));
    return !outlet.isLast;
  }
  const reader = body.getReader() as Reader;
  const cancel = (): void => void reader.cancel().catch(() => undefined);
  outlet.signal.addEventListener("abort", cancel, { once: true });
  const isEndless = isEventStream(response);
  if (isEndless) outlet.markEndless();
  const first = isEndless ? null : await reader.read();
  if (first?.done === true) return sendWhole(outlet, head, new Uint8Array(0));
  const second = first === null ? null : await reader.read();
  if (first !== null && second?.done === true) return sendWhole(outlet, head, first.value);
  const pieces = [first?.value, second?.value].filter(
    (piece): piece is Uint8Array<ArrayBuffer> => piece !== undefined && piece.length > 0,
  );
  return await sendPieces({ outlet, head, reader, pieces });
}

function headOf(response: Response, date: DateLine, isLast: boolean): string {
  let head = statusLine(response.status);
  for (const [name, value] of response.headers) {
    if (!OURS.has(name)) head += `${name}: ${value}\r\n`;
  }
  return `${head}date: ${date.text}\r\n${isLast ? "connection: close\r\n" : ""}`;
}

async function sendWhole(outlet: Outlet, head: string, body: Uint8Array): Promise<boolean> {
  const start = Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`, "latin1");
  await outlet.send(body.length === 0 ? start : Buffer.concat([start, body]));
  return !outlet.isLast;
}

/** The rest of a body whose length nobody knows. */
async function sendPieces(parts: {
  outlet: Outlet;
  head: string;
  reader: Reader;
  pieces: readonly Uint8Array[];
}): Promise<boolean> {
  const { outlet, head, reader, pieces } = parts;
  const { knowsChunks } = outlet;
  const framing = knowsChunks ? "transfer-encoding: chunked\r\n" : "";
  let isTaken: boolean | Promise<boolean> = outlet.send(Buffer.from(`${head}${framing}\r\n`, "latin1"));
  for (const piece of pieces) isTaken = outlet.send(knowsChunks ? chunkOf(piece) : piece);
  try {
    for (;;) {
      if (isTaken !== true && !(await isTaken)) {
        await reader.cancel();
        return false;
      }
      const { done, value } = await reader.read();
      if (done) break;
      if (value.length > 0) isTaken = outlet.send(knowsChunks ? chunkOf(value) : value);
    }
  } catch (error) {
    // The body broke off: the missing last chunk tells the reader that this is not all.
    if (error instanceof Error) return false;
    throw error;
  }
  if (knowsChunks) await outlet.send(LAST_CHUNK);
  return knowsChunks && !outlet.isLast;
}

function chunkOf(piece: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`, "latin1"), piece, Buffer.from("\r\n")]);
}
