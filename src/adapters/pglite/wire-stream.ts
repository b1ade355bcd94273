/**
 * A duplex stream between `pg` and the worker thread: what one writes, the embedded server reads.
 *
 * It plays the part of a socket just far enough for `pg`: connect, end, and an error when the server is gone.
 */
import { Duplex } from "node:stream";
import type { Worker } from "node:worker_threads";

/** PostgreSQL's frontend message "Terminate": the embedded server would take it as the end of its only session. */
const TERMINATE = 0x58;

export class WireStream extends Duplex {
  readonly #worker: Worker;
  readonly #onMessage: (message: unknown) => void;

  constructor(worker: Worker) {
    super();
    this.#worker = worker;
    this.#onMessage = (message) => {
      if (message instanceof Uint8Array) this.push(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
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
    if (chunk[0] !== TERMINATE) this.#worker.postMessage(new Uint8Array(chunk));
    done();
  }

  /**
   * `pg` corks the stream while it writes the messages of one statement (parse, bind, execute, sync); handed over
   * together they wake the worker once instead of five times.
   */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const messages = chunks.filter(({ chunk }) => chunk[0] !== TERMINATE).map(({ chunk }) => chunk);
    if (messages.length > 0) this.#worker.postMessage(new Uint8Array(Buffer.concat(messages)));
    done();
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
