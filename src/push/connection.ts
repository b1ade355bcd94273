/**
 * One open event stream: frames in, bytes out, with a bound on what a slow reader may leave lying about.
 *
 * The stream's own queue is the buffer. When more than the bound waits in it, the reader is not reading: the stream is
 * broken off, and whoever is still there reconnects and gets the present state. Who may connect is the hub's decision.
 */
import type { BuyerId } from "../domain/ids.ts";

const encoder = new TextEncoder();

export interface ConnectionOptions {
  readonly buyerId: BuyerId;
  /** Bytes that may wait for the reader before it counts as gone. */
  readonly bufferBytesMax: number;
  /** Called once, however the stream ended. */
  readonly onClose: (connection: EventConnection) => void;
}

export class EventConnection {
  readonly buyerId: BuyerId;
  readonly stream: ReadableStream<Uint8Array>;
  readonly #onClose: (connection: EventConnection) => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.buyerId = options.buyerId;
    this.#onClose = options.onClose;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.#finish(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: options.bufferBytesMax }),
    );
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Queues a frame. False when the connection is over, or was just broken off because its reader is too slow. */
  send(frame: string): boolean {
    if (this.#closed || this.#controller === null) return false;
    const bytes = encoder.encode(frame);
    const roomBytes = this.#controller.desiredSize ?? 0;
    if (bytes.length > roomBytes) {
      this.#controller.error(new Error("the reader of an event stream is too slow"));
      this.#finish();
      return false;
    }
    this.#controller.enqueue(bytes);
    return true;
  }

  /** Ends the stream after what is queued. */
  close(): void {
    if (this.#closed) return;
    this.#controller?.close();
    this.#finish();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#controller = null;
    this.#onClose(this);
  }
}
