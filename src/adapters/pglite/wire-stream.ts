/**
 * A duplex stream between `pg` and the worker thread: what one writes, the embedded server reads.
 *
 * It plays the part of a socket just far enough for `pg`: connect, end, and an error when the server is gone. Each stream
 * has a number of its own, so that the answer to a question that was given up can never be taken for a later one's.
 */
import { Duplex } from "node:stream";
import type { Worker } from "node:worker_threads";

/** PostgreSQL's frontend message "Terminate": the embedded server would take it as the end of its only session. */
const TERMINATE = 0x58;

/** Bytes of the wire protocol on their way to or from the server. */
export interface WireMessage {
  readonly stream: number;
  readonly bytes: Uint8Array;
}

/** True for bytes, false for the worker's words about itself. */
export function isWireMessage(message: object): message is WireMessage {
  return "bytes" in message;
}

let streams = 0;

export class WireStream extends Duplex {
  readonly #worker: Worker;
  readonly #number: number;
  readonly #onMessage: (message: object) => void;

  constructor(worker: Worker) {
    super();
    streams += 1;
    this.#number = streams;
    this.#worker = worker;
    this.#onMessage = (message) => {
      if (!isWireMessage(message) || message.stream !== this.#number) return;
      this.push(Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.byteLength));
    };
    worker.on("message", this.#onMessage);
  }

  /** As of net.Socket: there is nothing to connect to, so it is connected at once. */
  connect(): this {
    queueMicrotask(() => this.emit("connect"));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // Answers are pushed as they arrive; each belongs to a question that `pg` is waiting for.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (chunk[0] !== TERMINATE) this.#send(chunk);
    done();
  }

  /**
   * `pg` corks the stream while it writes the messages of one statement (parse, bind, execute, sync); handed over
   * together they wake the worker once instead of five times.
   */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const messages = chunks.filter(({ chunk }) => chunk[0] !== TERMINATE).map(({ chunk }) => chunk);
    if (messages.length > 0) this.#send(Buffer.concat(messages));
    done();
  }

  #send(bytes: Buffer): void {
    const message: WireMessage = { stream: this.#number, bytes: new Uint8Array(bytes) };
    this.#worker.postMessage(message);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#worker.off("message", this.#onMessage);
    done(error);
  }
}
