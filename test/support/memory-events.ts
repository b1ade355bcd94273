/**
 * An event log and a change feed in memory, and a reader of event streams: what the push hub sees of the world.
 */
import type { ChangeFeed, ChangeHint } from "../../src/ports/change-feed.ts";
import type { EventCursor, EventLog, LoggedEvent } from "../../src/ports/event-log.ts";

/** `implements EventLog`; transactions are numbered as they are appended. */
export class MemoryEvents implements EventLog, ChangeFeed {
  readonly #events: LoggedEvent[] = [];
  readonly #listeners = new Set<(hint: ChangeHint) => void>();
  #transaction = 1_000;
  /** How often anything was asked. */
  queries = 0;
  /** Called before each answer; throw from here to be unavailable. */
  before: (method: "tip" | "read" | "changedSince") => void | Promise<void> = () => undefined;

  /** Commits a change of reservations, each given as [rid, buyerId]. */
  append(kind: LoggedEvent["kind"], ...changes: readonly (readonly [string, string])[]): EventCursor {
    this.#transaction += 1;
    const cursor = { transaction: String(this.#transaction), row: String(this.#events.length + 1) };
    this.#events.push({
      cursor,
      kind,
      rids: changes.map(([rid]) => rid),
      buyerIds: changes.map(([, buyerId]) => buyerId),
    });
    return cursor;
  }

  hint(hint: ChangeHint = { topic: "events" }): void {
    for (const listener of this.#listeners) listener(hint);
  }

  subscribe(listener: (hint: ChangeHint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async tip(): Promise<EventCursor> {
    await this.#answer("tip");
    return { transaction: String(this.#transaction + 1), row: "0" };
  }

  async read(request: { after: EventCursor; rowsMax: number }): Promise<readonly LoggedEvent[]> {
    await this.#answer("read");
    return this.#events.filter(({ cursor }) => isBeyond(cursor, request.after)).slice(0, request.rowsMax);
  }

  async changedSince(request: { buyerId: string; after: EventCursor; rowsMax: number }): Promise<readonly string[]> {
    await this.#answer("changedSince");
    const since = Number(request.after.transaction);
    const rids = this.#events
      .filter(({ cursor }) => Number(cursor.transaction) >= since)
      .flatMap(({ rids, buyerIds }) => rids.filter((_, index) => buyerIds[index] === request.buyerId));
    return [...new Set(rids)].slice(0, request.rowsMax);
  }

  async trim(): Promise<number> {
    return 0;
  }

  async #answer(method: "tip" | "read" | "changedSince"): Promise<void> {
    this.queries += 1;
    await this.before(method);
  }
}

function isBeyond(cursor: EventCursor, after: EventCursor): boolean {
  const difference = Number(cursor.transaction) - Number(after.transaction);
  return difference > 0 || (difference === 0 && Number(cursor.row) > Number(after.row));
}

interface SeenEvent {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** What both runtimes' types agree on. */
interface Readable {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** Reads a stream as an EventSource would: events, and the id to come back with. */
export class StreamReader {
  readonly events: SeenEvent[] = [];
  lastEventId = "";
  /** Everything that came, frames and comments. */
  text = "";
  ended: "no" | "closed" | "broken" = "no";
  readonly #reader: Readable;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    void this.#pump();
  }

  /** Statuses in the order they were shown. */
  get statuses(): string[] {
    return this.events.map((event) => JSON.parse(event.data).status);
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
  }

  async #pump(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const chunk = decoder.decode(value, { stream: true });
        this.text += chunk;
        const blocks = (rest + chunk).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) this.#take(block);
      }
      this.ended = "closed";
    } catch {
      // A stream that the server broke off: the test looks at `ended`.
      this.ended = "broken";
    }
  }

  #take(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const colon = line.indexOf(": ");
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
    }
    const id = fields.get("id");
    if (id !== undefined) this.lastEventId = id;
    const data = fields.get("data");
    if (data !== undefined) this.events.push({ event: fields.get("event") ?? "message", id: this.lastEventId, data });
  }
}
