/**
 * A reader of server-sent events that keeps what it saw and waits for what it wants.
 *
 * Written by hand, since browsers' EventSource hides what the tests are about: ids, comments (heartbeats) and the end
 * of the stream.
 */
import { waitUntil } from "./waiting.ts";

/** One event as it came over the wire. */
export interface ServerEvent {
  readonly event: string;
  readonly id: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: the document of the event
  readonly data: any;
}

export class EventStream {
  readonly response: Response;
  readonly events: ServerEvent[] = [];
  /** Arrival of each comment, on the monotonic clock, in milliseconds. */
  readonly heartbeatsAtMs: number[] = [];
  retryMs: number | null = null;
  isEnded = false;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
  }

  /** Opens a stream; a refusal is answered as a stream that is ended. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
    const abort = new AbortController();
    const response = await fetch(url, { headers: { Accept: "text/event-stream", ...headers }, signal: abort.signal });
    const stream = new EventStream(response, abort);
    if (response.status === 200) stream.#read().catch((error: unknown) => stream.#ended(error));
    else stream.isEnded = true;
    return stream;
  }

  /** Waits for an event that passes. */
  async waitFor(what: string, passes: (event: ServerEvent) => boolean, withinMs = 15_000): Promise<ServerEvent> {
    return await waitUntil(`event: ${what}`, () => this.events.find(passes), { withinMs });
  }

  close(): void {
    this.isEnded = true;
    this.#abort.abort();
  }

  #ended(error: unknown): void {
    const wasClosedByUs = this.#abort.signal.aborted;
    this.isEnded = true;
    if (!wasClosedByUs && !(error instanceof Error)) throw error;
  }

  async #read(): Promise<void> {
    const reader = (this.response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() as string;
      for (const block of blocks) this.#takeBlock(block);
    }
    this.isEnded = true;
  }

  #takeBlock(block: string): void {
    let event = "message";
    let id: string | null = null;
    const data: string[] = [];
    for (const line of block.split("\n")) {
      if (line.startsWith(":")) this.heartbeatsAtMs.push(performance.now());
      else if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("id:")) id = line.slice(3).trim();
      else if (line.startsWith("retry:")) this.retryMs = Number(line.slice(6));
      else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    }
    if (data.length > 0) this.events.push({ event, id, data: JSON.parse(data.join("\n")) });
  }
}
