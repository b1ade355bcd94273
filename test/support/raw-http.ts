/**
 * HTTP byte by byte over a socket, for requests that no decent client would send.
 *
 * fetch normalises paths, forbids headers and never stalls in the middle of a body; attackers do all three.
 */
import { connect, type Socket } from "node:net";
import type { Answer } from "./answers.ts";

const ANSWER_WITHIN_MS = 15_000;

/** The head of a request with these headers, ready to be written. */
export function requestHead(method: string, path: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ Host: "127.0.0.1", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** A connection that writes what it is told and collects what comes back. */
export class RawConnection {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on("error", () => {
      this.isClosed = true;
    });
    socket.on("close", () => {
      this.isClosed = true;
    });
  }

  /** `from` is one of loopback's own addresses, all of 127.0.0.0/8. */
  static async open(port: number, { from = "127.0.0.1" }: { readonly from?: string } = {}): Promise<RawConnection> {
    return await new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, localAddress: from });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** Takes nothing more of what is sent: the other end's buffers fill up. */
  stopReading(): void {
    this.socket.pause();
  }

  close(): void {
    this.socket.destroy();
  }

  /** Waits for one whole answer, and takes it off what was received. */
  async answer(withinMs: number = ANSWER_WITHIN_MS): Promise<Answer> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const parsed = parseAnswer(this.received, this.isClosed);
      if (parsed !== null) {
        this.received = this.received.subarray(parsed.length);
        return parsed.answer;
      }
      if (this.isClosed)
        throw new Error(`the connection closed after: ${this.received.toString("utf8").slice(0, 300)}`);
      if (performance.now() > deadline) {
        throw new Error(`no answer within ${withinMs} ms, only: ${this.received.toString("utf8").slice(0, 300)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Sends one request over a connection of its own. */
export async function sendRaw(port: number, head: string, body: string | Uint8Array = ""): Promise<Answer> {
  const connection = await RawConnection.open(port);
  try {
    connection.write(Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body as string)]));
    return await connection.answer();
  } finally {
    connection.close();
  }
}

function parseAnswer(bytes: Buffer, isClosed: boolean): { answer: Answer; length: number } | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...lines] = bytes.subarray(0, headEnd).toString("latin1").split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const body = readBody(bytes.subarray(headEnd + 4), headers, isClosed);
  if (body === null) return null;
  const text = body.content.toString("utf8");
  const answer = { status: Number(statusLine.split(" ")[1]), headers, text, json: parseJson(text) };
  return { answer, length: headEnd + 4 + body.length };
}

function readBody(bytes: Buffer, headers: Headers, isClosed: boolean): { content: Buffer; length: number } | null {
  if (headers.get("transfer-encoding") === "chunked") return readChunks(bytes);
  const length = headers.get("content-length");
  if (length === null) return isClosed ? { content: bytes, length: bytes.length } : null;
  return bytes.length < Number(length) ? null : { content: bytes.subarray(0, Number(length)), length: Number(length) };
}

function readChunks(bytes: Buffer): { content: Buffer; length: number } | null {
  const parts: Buffer[] = [];
  let position = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", position);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.subarray(position, lineEnd).toString("latin1"), 16);
    const start = lineEnd + 2;
    if (bytes.length < start + size + 2) return null;
    parts.push(bytes.subarray(start, start + size));
    position = start + size + 2;
    if (size === 0) return { content: Buffer.concat(parts), length: position };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
