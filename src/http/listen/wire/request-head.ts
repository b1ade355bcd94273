/**
 * The head of an HTTP/1.1 request (RFC 9112), read strictly and without an object per header.
 *
 * What could be read two ways is refused, not repaired: a proxy in front of us and we must never disagree about where a
 * request ends. The head is one string and a list of positions; a header becomes a string of its own when somebody asks
 * for it. One instance serves all requests of a connection, one after the other. Bodies are body-frame.ts's subject.
 */

/** Why a head is no request of ours. */
export type HeadFault = "malformed" | "too_large";

/** No client sends nearly as many; each costs three numbers. */
const HEADERS_MAX = 96;
const NUMBERS_PER_HEADER = 4;
/** Digits of a length that a double still counts exactly. */
const LENGTH_DIGITS_MAX = 15;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const DELETE = 0x7f;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const TO_LOWER = 0x20;

/** Characters of a token (RFC 9110, 5.6.2): of methods and header names. */
const IS_TOKEN = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  IS_TOKEN[character.charCodeAt(0)] = 1;
}

/** Characters of a header's value: everything but controls; a tab is none here. */
const IS_VALUE = new Uint8Array(256);
for (let byte = SPACE; byte < 256; byte += 1) IS_VALUE[byte] = byte === DELETE ? 0 : 1;
IS_VALUE[TAB] = 1;

/** Characters of a target: visible ASCII, without those that URL parsers straighten or cut at. */
const IS_TARGET = new Uint8Array(256);
for (let byte = SPACE + 1; byte < DELETE; byte += 1) IS_TARGET[byte] = 1;
IS_TARGET["#".charCodeAt(0)] = 0;
IS_TARGET["\\".charCodeAt(0)] = 0;

const VERSION = "HTTP/1.";
const HOST_PATTERN = /^[A-Za-z0-9._~:[\]-]*$/;

/** A request's line and headers. Members are those of the head that was read last. */
export class RequestHead {
  method = "";
  /** As sent: a path with its query, or a whole address. */
  target = "";
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  minorVersion = 1;
  /** The announced length of the body; 0 when none is announced. */
  contentLength = 0;
  isChunked = false;
  /** Whether the sender goes on using the connection. */
  isPersistent = true;
  /** The sender waits for "100 Continue" before it sends the body. */
  expectsContinue = false;
  #text = "";
  /** Per header: where its name begins and ends, and its value. */
  readonly #positions = new Uint16Array(HEADERS_MAX * NUMBERS_PER_HEADER);
  #count = 0;

  /** Reads the head that lies from `start` to its empty line at `end`. Null when it is a request. */
  read(bytes: Buffer, start: number, end: number): HeadFault | null {
    this.#count = 0;
    this.contentLength = 0;
    this.isChunked = false;
    this.expectsContinue = false;
    const headers = this.#readLine(bytes, start, end);
    if (headers === -1) return "malformed";
    this.#text = textOf(bytes, start, end);
    const fault = this.#readHeaders(bytes, { from: headers, end, base: start });
    return fault ?? this.#judgeFraming();
  }

  /** Where the headers begin, or -1. */
  #readLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && IS_TOKEN[bytes[at] as number] === 1) at += 1;
    if (at === start || bytes[at] !== SPACE) return -1;
    const targetStart = at + 1;
    this.method = bytes[start] === 0x50 && at - start === 4 ? postOr(bytes, start, at) : textOf(bytes, start, at);
    at = targetStart;
    while (at < end && IS_TARGET[bytes[at] as number] === 1) at += 1;
    if (at === targetStart || bytes[at] !== SPACE) return -1;
    this.target = textOf(bytes, targetStart, at);
    at += 1;
    for (let index = 0; index < VERSION.length; index += 1, at += 1) {
      if (bytes[at] !== VERSION.charCodeAt(index)) return -1;
    }
    const minor = (bytes[at] as number) - ZERO;
    if (minor !== 0 && minor !== 1) return -1;
    this.minorVersion = minor;
    at += 1;
    if (at === end) return end;
    return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED ? at + 2 : -1;
  }

  #readHeaders(bytes: Buffer, { from, end, base }: { from: number; end: number; base: number }): HeadFault | null {
    const positions = this.#positions;
    let at = from;
    while (at < end) {
      const nameStart = at;
      while (IS_TOKEN[bytes[at] as number] === 1) at += 1;
      if (at === nameStart || bytes[at] !== COLON) return "malformed";
      const nameEnd = at;
      at += 1;
      while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
      const valueStart = at;
      while (at < end && IS_VALUE[bytes[at] as number] === 1) at += 1;
      if (at < end && (bytes[at] !== CARRIAGE_RETURN || bytes[at + 1] !== LINE_FEED)) return "malformed";
      let valueEnd = at;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) valueEnd -= 1;
      if (this.#count === HEADERS_MAX) return "too_large";
      const slot = this.#count * NUMBERS_PER_HEADER;
      positions[slot] = nameStart - base;
      positions[slot + 1] = nameEnd - base;
      positions[slot + 2] = Math.min(valueStart, valueEnd) - base;
      positions[slot + 3] = valueEnd - base;
      this.#count += 1;
      at += 2;
    }
    return null;
  }

  #judgeFraming(): HeadFault | null {
    const host = this.header("host");
    if (host === null ? this.minorVersion === 1 : !HOST_PATTERN.test(host)) return "malformed";
    const connection = this.header("connection");
    // HTTP/1.0 could ask to keep it; nobody who matters does.
    this.isPersistent = this.minorVersion === 1 && !(connection !== null && /\bclose\b/i.test(connection));
    this.expectsContinue = this.minorVersion === 1 && this.header("expect")?.toLowerCase() === "100-continue";
    const length = this.header("content-length");
    const coding = this.header("transfer-encoding");
    if (coding !== null) {
      if (length !== null || this.minorVersion === 0 || coding.toLowerCase() !== "chunked") return "malformed";
      this.isChunked = true;
      return null;
    }
    // Two lengths, even equal ones, are joined by a comma, which is no digit.
    if (length !== null) this.contentLength = parseLength(length);
    return this.contentLength === -1 ? "malformed" : null;
  }

  /** The value of a header by its lower-case name, null when absent. Repeated headers are joined with a comma. */
  header(name: string): string | null {
    const positions = this.#positions;
    let found: string | null = null;
    for (let slot = 0; slot < this.#count * NUMBERS_PER_HEADER; slot += NUMBERS_PER_HEADER) {
      const start = positions[slot] as number;
      if ((positions[slot + 1] as number) - start !== name.length || !this.#isNamed(start, name)) continue;
      const value = this.#text.slice(positions[slot + 2], positions[slot + 3]);
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }

  /** All headers, in the order in which they came. */
  pairs(): [string, string][] {
    return Array.from({ length: this.#count }, (_, index) => {
      const slot = index * NUMBERS_PER_HEADER;
      const [nameStart, nameEnd, start, end] = this.#positions.subarray(slot, slot + NUMBERS_PER_HEADER);
      return [this.#text.slice(nameStart, nameEnd), this.#text.slice(start, end)];
    });
  }

  #isNamed(start: number, name: string): boolean {
    for (let index = 0; index < name.length; index += 1) {
      let code = this.#text.charCodeAt(start + index);
      if (code >= UPPER_A && code <= UPPER_Z) code += TO_LOWER;
      if (code !== name.charCodeAt(index)) return false;
    }
    return true;
  }
}

function parseLength(text: string): number {
  if (text.length === 0 || text.length > LENGTH_DIGITS_MAX) return -1;
  let length = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < ZERO || code > NINE) return -1;
    length = length * 10 + (code - ZERO);
  }
  return length;
}

function postOr(bytes: Buffer, start: number, end: number): string {
  const isPost = bytes[start + 1] === 0x4f && bytes[start + 2] === 0x53 && bytes[start + 3] === 0x54;
  return isPost ? "POST" : textOf(bytes, start, end);
}

function textOf(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("latin1", start, end);
}
