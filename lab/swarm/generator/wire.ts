/**
 * One raw connection: at most one request under way, bytes out, bytes in, nothing understood.
 *
 * No HTTP client: its work would be on the cores that are being measured. What the bytes mean is the owner's business; he is
 * told once of each request how it ended.
 */
import { connect, type Socket } from "node:net";
import { NO_ANSWER } from "./outcomes.ts";

export interface Target {
  readonly hostname: string;
  readonly port: number;
}

/** Who sends on wires. */
export interface WireOwner<Errand> {
  opened(wire: Wire<Errand>): void;
  /** All bytes of an answer so far; false = more are needed. */
  heard(wire: Wire<Errand>, bytes: Buffer): boolean;
  /** The connection has ended; `errand` was under way, or null. */
  lost(wire: Wire<Errand>, errand: Errand | null, cause: string): void;
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "no route",
  EADDRNOTAVAIL: "out of ports",
  EMFILE: "out of files",
};

export class Wire<Errand> {
  /** The request under way. */
  errand: Errand | null = null;
  isOpen = false;
  wasOpened = false;
  lastUsedMs = 0;
  /** Which of the targets it leads to. */
  readonly target: number;
  readonly #socket: Socket;
  readonly #owner: WireOwner<Errand>;
  #pending: Buffer | null = null;
  #cause = "closed";
  #isOver = false;

  constructor({ targets, index }: { targets: readonly Target[]; index: number }, owner: WireOwner<Errand>) {
    const target = targets[index];
    if (target === undefined) throw new Error("a wire to nowhere");
    this.target = index;
    this.#owner = owner;
    this.#socket = connect({ host: target.hostname, port: target.port, noDelay: true });
    this.#socket.on("connect", () => {
      this.isOpen = true;
      this.wasOpened = true;
      owner.opened(this);
    });
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#cause = CAUSES[error.code ?? ""] ?? error.code ?? "failed";
      this.#end();
    });
    this.#socket.on("close", () => this.#end());
  }

  /** True when the bytes are still needed: they did not fit into the system's buffer. */
  send(bytes: Buffer, errand: Errand): boolean {
    this.errand = errand;
    this.#socket.write(bytes);
    return this.#socket.writableLength > 0;
  }

  /** Closes without a word to the owner. */
  hangUp(): void {
    this.#isOver = true;
    this.isOpen = false;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = null;
    // Whoever hears a whole answer may send the next request before this returns.
    if (this.errand !== null && !this.#owner.heard(this, bytes)) this.#pending = bytes;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.isOpen = false;
    const { errand } = this;
    this.errand = null;
    this.#socket.destroy();
    this.#owner.lost(this, errand, `${NO_ANSWER}${this.#cause}`);
  }
}
