/**
 * Answers of the funnel as bytes. One that is given again and again is written once and only gets the time of day.
 *
 * On sale day nearly every answer is one of a few dozen frozen refusals, so encoding it anew would be most of the
 * listener's work. The bytes are shared: whoever sends them must not keep them, or accept that their date moves on.
 */
import { STATUS_CODES } from "node:http";
import type { HotAnswer } from "../../../funnel/request.ts";

const DATE_LENGTH = "Sun, 06 Nov 1994 08:49:37 GMT".length;
const MS_PER_S = 1_000;

interface Prepared {
  readonly bytes: Buffer;
  readonly dateStart: number;
  /** Which second stands in it. */
  second: number;
}

/** The time of day as HTTP writes it (RFC 9110, 5.6.7), made once a second. */
export class DateLine {
  second = -1;
  text = "";

  /** Brings the text up to the time; milliseconds since 1970. */
  update(nowMs: number): void {
    const second = Math.floor(nowMs / MS_PER_S);
    if (second === this.second) return;
    this.second = second;
    this.text = new Date(second * MS_PER_S).toUTCString();
  }
}

/** "HTTP/1.1 404 Not Found" and its end. */
export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Status"}\r\n`;
}

/** Encodes answers; one per listener. */
export class HotBytes {
  readonly #date: DateLine;
  readonly #prepared = new WeakMap<HotAnswer, Prepared>();
  readonly #starts = new WeakMap<HotAnswer["headers"], { readonly status: number; readonly text: string }>();

  constructor(date: DateLine) {
    this.#date = date;
  }

  /** The whole answer. `closing`: it says that the connection ends. */
  encode(answer: HotAnswer, closing: boolean): Buffer {
    if (closing) return this.#write(answer, "connection: close\r\n").bytes;
    const known = this.#prepared.get(answer);
    if (known !== undefined) {
      if (known.second !== this.#date.second) this.#stamp(known);
      return known.bytes;
    }
    const fresh = this.#write(answer, "");
    // Only what cannot change may be remembered.
    if (Object.isFrozen(answer)) this.#prepared.set(answer, fresh);
    return fresh.bytes;
  }

  #stamp(prepared: Prepared): void {
    prepared.bytes.write(this.#date.text, prepared.dateStart, DATE_LENGTH, "latin1");
    prepared.second = this.#date.second;
  }

  #write(answer: HotAnswer, more: string): Prepared {
    const start = more === "" ? this.#startOf(answer) : startOf(answer, "connection");
    const head = `${start}content-length: ${Buffer.byteLength(answer.body)}\r\n${more}date: `;
    const bytes = Buffer.from(`${head}${this.#date.text}\r\n\r\n${answer.body}`, "utf8");
    return { bytes, dateStart: head.length, second: this.#date.second };
  }

  /** Acceptances have bodies of their own and share all the rest. */
  #startOf(answer: HotAnswer): string {
    const known = this.#starts.get(answer.headers);
    if (known?.status === answer.status) return known.text;
    const text = startOf(answer, "");
    if (Object.isFrozen(answer.headers)) this.#starts.set(answer.headers, { status: answer.status, text });
    return text;
  }
}

/** The status line and the headers, but for one that is left out. */
function startOf({ status, headers }: HotAnswer, leftOut: string): string {
  let text = statusLine(status);
  for (const name in headers) if (name !== leftOut) text += `${name}: ${headers[name]}\r\n`;
  return text;
}
