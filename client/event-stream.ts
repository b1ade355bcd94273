/**
 * Reading server-sent events from a fetch body: the parts of the HTML standard's parser that our server uses.
 *
 * EventSource cannot send an Authorization header, so the stream is read by hand. An event that is cut off by the end
 * of the stream is dropped, as the standard says. Bounded: a server that never ends a line is cut off.
 */

/** One dispatched event. `id` is the last one seen, also for events that carry none. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

export interface StreamReader {
  /** Called for each complete event. */
  readonly onEvent: (event: StreamEvent) => void;
  /** Called when the server names its reconnection time. */
  readonly onRetry: (retryMs: number) => void;
}

/** Longest buffered piece of a stream, in characters. */
export const EVENT_CHARACTERS_MAX = 65_536;

const LINE_END = /\r\n|\n|\r(?!$)/;

/** Takes decoded pieces of a stream and calls back for what they complete. */
export class EventStreamParser {
  readonly #reader: StreamReader;
  #buffer = "";
  #event = "";
  #data: string[] = [];
  #id = "";

  constructor(reader: StreamReader) {
    this.#reader = reader;
  }

  push(piece: string): void {
    this.#buffer += piece;
    const lines = this.#buffer.split(LINE_END);
    this.#buffer = lines.pop() ?? "";
    if (this.#buffer.length > EVENT_CHARACTERS_MAX) throw new RangeError("The event stream has no end of line.");
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) this.#reader.onRetry(Number(value));
  }

  #dispatch(): void {
    const event = { event: this.#event === "" ? "message" : this.#event, data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    if (!isEmpty) this.#reader.onEvent(event);
  }
}
