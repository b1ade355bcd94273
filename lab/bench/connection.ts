/**
 * One raw connection of a load generator: sends a prepared request, reads the answer as far as the figures need it.
 *
 * No HTTP client: its work would be on the cores that are being measured. Answers of the server under test have a
 * Content-Length; nothing else is understood.
 */
import { connect, type Socket } from "node:net";

/** An answer with the request it belongs to; the body only where somebody will read it. */
export interface Answer {
  readonly outcome: string;
  readonly request: Buffer;
  readonly body: Buffer;
}

/** Who hears of answers. */
export interface Sender {
  answered(connection: Connection, answer: Answer, scheduledMs: number): void;
  failed(): void;
  /**
   * A connection that had been idle ended without a byte of this answer: the server had closed it for being idle while the
   * request was on its way. True when the request is sent again elsewhere, as every browser does (RFC 9112, 9.3.1).
   */
  resent?(scheduledMs: number): boolean;
  /** The server, or an error, ended the connection. */
  closed?(connection: Connection): void;
}

/** Who waits for longer with his first request may meet a server that has given him up. */
const IDLE_MS_MIN = 1_000;
const NO_BYTES = Buffer.alloc(0);
const HEADER_END = Buffer.from("\r\n\r\n");

/** One keep-alive connection with at most one request under way. */
export class Connection {
  readonly #socket: Socket;
  readonly #sender: Sender;
  #pending: Buffer | null = null;
  #request: Buffer = NO_BYTES;
  #scheduledMs = 0;
  #isOpen = true;
  #isUnderWay = false;
  readonly #openedMs = performance.now();
  #wasIdle = false;

  private constructor(socket: Socket, sender: Sender) {
    this.#socket = socket;
    this.#sender = sender;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => this.#lose());
    socket.on("close", () => {
      this.#isOpen = false;
      this.#lose();
      sender.closed?.(this);
    });
  }

  /**
   * `from` is the address on this side, for a server that limits each. Without it the system chooses: naming an address
   * makes it look for a free port among all that are taken, which costs milliseconds once there are thousands.
   */
  static open(port: number, sender: Sender, from?: string): Promise<Connection> {
    const side = from === undefined ? {} : { localAddress: from };
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", ...side, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket, sender));
      });
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The request that was sent last. */
  get request(): Buffer {
    return this.#request;
  }

  end(): void {
    this.#socket.destroy();
  }

  send(request: Buffer, scheduledMs: number): void {
    this.#request = request;
    this.#scheduledMs = scheduledMs;
    this.#isUnderWay = true;
    this.#wasIdle ||= performance.now() - this.#openedMs > IDLE_MS_MIN;
    // A server may have closed it while it was idle: nothing would ever be heard of this request.
    if (this.#isOpen) this.#socket.write(request);
    else queueMicrotask(() => this.#lose());
  }

  /** A request without an answer is told once, however the connection ended. */
  #lose(): void {
    if (!this.#isUnderWay) return;
    this.#isUnderWay = false;
    const mayResend = this.#wasIdle && this.#pending === null;
    if (!mayResend || this.#sender.resent?.(this.#scheduledMs) !== true) this.#sender.failed();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    const headerEnd = bytes.indexOf(HEADER_END);
    const length = headerEnd === -1 ? Number.NaN : contentLength(bytes, headerEnd);
    if (headerEnd === -1 || bytes.length < headerEnd + HEADER_END.length + length) {
      this.#pending = bytes;
      return;
    }
    this.#pending = null;
    this.#isUnderWay = false;
    this.#wasIdle = true;
    const outcome = outcomeOf(bytes, headerEnd);
    const body = outcome === "queued" ? bytes.subarray(headerEnd + HEADER_END.length) : NO_BYTES;
    this.#sender.answered(this, { outcome, request: this.#request, body }, this.#scheduledMs);
  }
}

function contentLength(bytes: Buffer, headerEnd: number): number {
  const head = bytes.toString("latin1", 0, headerEnd).toLowerCase();
  const at = head.indexOf("content-length:");
  return at === -1 ? 0 : Number.parseInt(head.slice(at + "content-length:".length), 10);
}

function outcomeOf(bytes: Buffer, headerEnd: number): string {
  const status = bytes.toString("latin1", 9, 12);
  if (status === "201") return "accepted";
  if (status === "202") return "queued";
  const body = bytes.toString("latin1", headerEnd + HEADER_END.length);
  const at = body.indexOf('"reason":"');
  return at === -1 ? status : body.slice(at + 10, body.indexOf('"', at + 10));
}
