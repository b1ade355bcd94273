/**
 * The body of the request that is being answered: kept for nobody until somebody wants it, dropped once it is answered.
 *
 * Four uses, one after the other at most: unclaimed (it waits in the connection's input), collected whole for the hot
 * route, streamed to the app no faster than it reads, or dropped. Where it ends is body-frame.ts's subject.
 */
import type { ReadBody } from "../../../funnel/request.ts";
import { BodyFrame } from "./body-frame.ts";

type Use = "unclaimed" | "collected" | "streamed" | "dropped";

/** What the body needs of its connection. */
export interface BodySource {
  /** Somebody waits for more of the body. */
  wanted(): void;
}

const NOTHING = Buffer.alloc(0);

/** One per connection, begun anew with each request. */
export class IncomingBody {
  readonly frame = new BodyFrame();
  readonly #source: BodySource;
  #use: Use = "dropped";
  #pieces: Uint8Array[] = [];
  #collectedBytes = 0;
  #collectedBytesMax = 0;
  #settle: ((body: ReadBody) => void) | null = null;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #isAwaited = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  begin(framing: { contentLength: number; isChunked: boolean }): void {
    this.frame.begin(framing);
    this.#use = "unclaimed";
    this.#controller = null;
    this.#isAwaited = false;
  }

  /** Whether it takes bytes now. */
  get isTaking(): boolean {
    return this.#use === "streamed" ? this.#isAwaited : this.#use !== "unclaimed";
  }

  /** Nobody wants the rest. */
  drop(): void {
    this.#settle?.("stalled");
    this.#settle = null;
    this.#controller = null;
    this.#use = "dropped";
  }

  /** The whole body, or why it cannot be had; a promise when not all of it is there. */
  collect(bytesMax: number): ReadBody | Promise<ReadBody> {
    if (this.#use !== "unclaimed") return "stalled";
    if (this.frame.owedBytes > bytesMax) return "too_large";
    if (this.frame.isDone) return NOTHING;
    this.#use = "collected";
    this.#pieces = [];
    this.#collectedBytes = 0;
    this.#collectedBytesMax = bytesMax;
    let settled: ReadBody | null = null;
    this.#settle = (body) => {
      settled = body;
    };
    this.#source.wanted();
    if (settled !== null) return settled;
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** The body as the app's requests carry it. */
  stream(): ReadableStream<Uint8Array> {
    this.#use = "streamed";
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#isAwaited = true;
          this.#source.wanted();
        },
        cancel: () => {
          this.#controller = null;
          this.#use = "dropped";
          this.#source.wanted();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Takes the body's part of `bytes`; where it ends, or -1 = no chunks. */
  take(bytes: Uint8Array, from: number): number {
    const at = this.frame.take(bytes, from, this.#use === "dropped" ? null : this.#takePiece);
    if (at === -1) this.#fail();
    else if (this.frame.isDone) this.#complete();
    return at;
  }

  /** The rest will never come. */
  break(): void {
    if (!this.frame.isDone) this.#fail();
  }

  readonly #takePiece = (piece: Uint8Array): void => {
    if (this.#use === "streamed") {
      this.#isAwaited = false;
      this.#controller?.enqueue(piece);
      return;
    }
    this.#collectedBytes += piece.length;
    if (this.#collectedBytes <= this.#collectedBytesMax) this.#pieces.push(piece);
    else this.#settleWith("too_large");
  };

  #complete(): void {
    if (this.#use === "collected") {
      const [first] = this.#pieces;
      this.#settleWith(this.#pieces.length === 1 && first ? first : Buffer.concat(this.#pieces));
    }
    this.#controller?.close();
    this.#controller = null;
  }

  #fail(): void {
    this.#settleWith("stalled");
    this.#controller?.error(new TypeError("The body did not arrive as a whole."));
    this.#controller = null;
    this.#use = "dropped";
  }

  #settleWith(body: ReadBody): void {
    this.#settle?.(body);
    this.#settle = null;
    this.#pieces = [];
  }
}
