/**
 * Where the body of a request ends (RFC 9112, 6 and 7.1): after its announced length, or after its last chunk.
 *
 * Chunks are taken in their plainest form: no extensions and no trailers, because nobody we serve sends them and proxies
 * disagree about them. Keeps nothing of the body; who reads it is connection.ts's question.
 */

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
/** A chunk of a gigabyte is none. */
const SIZE_DIGITS_MAX = 7;
const HEX_BASE = 16;
const NO_DIGIT = 16;

const enumerated = <Name extends string>(...names: Name[]): Readonly<Record<Name, number>> =>
  Object.freeze(Object.fromEntries(names.map((name, index) => [name, index]))) as Readonly<Record<Name, number>>;

/** What comes next. */
const STATE = enumerated(
  "length",
  "size",
  "sizeEnd",
  "chunk",
  "chunkReturn",
  "chunkEnd",
  "lastReturn",
  "lastEnd",
  "done",
);

/** Told of each piece of the body, in order. A piece belongs to the bytes it came in. */
export type TakePiece = (piece: Uint8Array) => void;

/** The frame of one body after the other. */
export class BodyFrame {
  #state = STATE.done;
  #remaining = 0;
  #digits = 0;

  /** Begins with the body of the next request. */
  begin({ contentLength, isChunked }: { contentLength: number; isChunked: boolean }): void {
    this.#digits = 0;
    this.#remaining = isChunked ? 0 : contentLength;
    this.#state = isChunked ? STATE.size : contentLength === 0 ? STATE.done : STATE.length;
  }

  get isDone(): boolean {
    return this.#state === STATE.done;
  }

  /** Bytes that an announced length still owes; 0 for chunks. */
  get owedBytes(): number {
    return this.#state === STATE.length ? this.#remaining : 0;
  }

  /** Takes what belongs to the body from `bytes`, beginning at `from`. Where the body's part ends, or -1 = no chunk at all. */
  take(bytes: Uint8Array, from: number, takePiece: TakePiece | null): number {
    let at = from;
    while (at < bytes.length && this.#state !== STATE.done) {
      if (this.#state === STATE.length || this.#state === STATE.chunk) {
        const end = Math.min(bytes.length, at + this.#remaining);
        takePiece?.(bytes.subarray(at, end));
        this.#remaining -= end - at;
        at = end;
        if (this.#remaining === 0) this.#state = this.#state === STATE.length ? STATE.done : STATE.chunkReturn;
      } else {
        if (!this.#step(bytes[at] as number)) return -1;
        at += 1;
      }
    }
    return at;
  }

  /** One byte between chunks. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case STATE.size:
        return this.#sizeDigit(byte);
      case STATE.sizeEnd:
        this.#state = this.#remaining === 0 ? STATE.lastReturn : STATE.chunk;
        return byte === LINE_FEED;
      case STATE.chunkReturn:
        this.#state = STATE.chunkEnd;
        return byte === CARRIAGE_RETURN;
      case STATE.chunkEnd:
        this.#digits = 0;
        this.#state = STATE.size;
        return byte === LINE_FEED;
      case STATE.lastReturn:
        this.#state = STATE.lastEnd;
        return byte === CARRIAGE_RETURN;
      default:
        this.#state = STATE.done;
        return byte === LINE_FEED;
    }
  }

  #sizeDigit(byte: number): boolean {
    if (byte === CARRIAGE_RETURN) {
      this.#state = STATE.sizeEnd;
      return this.#digits > 0;
    }
    const digit = hexDigit(byte);
    this.#digits += 1;
    if (digit === NO_DIGIT || this.#digits > SIZE_DIGITS_MAX) return false;
    this.#remaining = this.#remaining * HEX_BASE + digit;
    return true;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : NO_DIGIT;
}
