/**
 * A flood: requests of which no two come from the same address, at a fixed rate, over a few connections to the proxy's port.
 *
 * The sender plays a proxy that is trusted, so that a single machine can be a million addresses. Requests are written in
 * bursts without waiting for answers (pipelining), because a flood does not wait either; answers are counted by status and
 * thrown away. Nothing is remembered per request: the flood must not be what runs out of memory.
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../../src/ports/clock.ts";

/** Makes the bytes of the n-th request. */
export type FloodRequest = (index: number) => string;

export interface FloodOptions {
  readonly port: number;
  readonly connections: number;
  readonly ratePerS: number;
  readonly count: number;
  readonly request: FloodRequest;
  readonly clock: Clock;
}

export interface FloodResult {
  readonly sent: number;
  readonly elapsedMs: number;
  /** How often each status was answered. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that the node closed under the flood; each was opened anew. */
  readonly reconnects: number;
}

const TICK_MS = 4;
/** Answers that one connection may owe: beyond this the node is slower than the flood, and the flood waits for it. */
const OWED_MAX = 64;
const STATUS_LINE = Buffer.from("HTTP/1.1 ");
const STATUS_DIGITS = 3;
/** How long the last answers may take. */
const FINISH_WITHIN_MS = 10_000;

/** The n-th address, all of them different, out of 1.0.0.0 to 126.255.255.255. */
export function floodAddressOf(index: number): string {
  // Odd, so that every index below the range has a place of its own; large, so that neighbours are far apart.
  const place = (index * 1_000_003) % (126 * 16_777_216);
  return `${1 + Math.floor(place / 16_777_216)}.${(place >> 16) & 255}.${(place >> 8) & 255}.${place & 255}`;
}

class FloodConnection {
  readonly #statuses: Map<string, number>;
  readonly #onLost: (connection: FloodConnection) => void;
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);
  owed = 0;

  constructor(port: number, statuses: Map<string, number>, onLost: (connection: FloodConnection) => void) {
    this.#statuses = statuses;
    this.#onLost = onLost;
    this.#socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.once("close", () => this.#onLost(this));
  }

  write(requests: string, count: number): void {
    this.owed += count;
    this.#socket.write(requests, "latin1");
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (;;) {
      const at = bytes.indexOf(STATUS_LINE, from);
      const end = at + STATUS_LINE.length + STATUS_DIGITS;
      if (at === -1 || end > bytes.length) break;
      const status = bytes.toString("latin1", end - STATUS_DIGITS, end);
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
      this.owed -= 1;
      from = end;
    }
    // What could be the beginning of a status line is looked at again.
    this.#rest = Buffer.from(bytes.subarray(Math.max(from, bytes.length - STATUS_LINE.length - STATUS_DIGITS + 1)));
  }
}

/** Sends the flood; resolves when everything was sent and answered. */
export async function flood(options: FloodOptions): Promise<FloodResult> {
  const { clock, count, ratePerS, request } = options;
  const statuses = new Map<string, number>();
  const connections: FloodConnection[] = [];
  let reconnects = 0;
  const open = (): FloodConnection =>
    new FloodConnection(options.port, statuses, (lost) => {
      reconnects += 1;
      connections[connections.indexOf(lost)] = open();
    });
  for (let index = 0; index < options.connections; index += 1) connections.push(open());

  const startMs = clock.monotonicMs();
  let sent = 0;
  while (sent < count) {
    const due = Math.min(count, Math.ceil(((clock.monotonicMs() - startMs) / 1_000) * ratePerS));
    const room = connections.filter((connection) => connection.owed < OWED_MAX);
    const share = Math.ceil((due - sent) / Math.max(1, room.length));
    for (const connection of room) {
      const portion = Math.min(share, due - sent, OWED_MAX - connection.owed);
      if (portion <= 0) continue;
      let requests = "";
      for (let index = 0; index < portion; index += 1) requests += request(sent + index);
      connection.write(requests, portion);
      sent += portion;
    }
    await pause(clock, TICK_MS);
  }
  const elapsedMs = clock.monotonicMs() - startMs;
  const finishMs = clock.monotonicMs() + FINISH_WITHIN_MS;
  while (connections.some((each) => each.owed > 0) && clock.monotonicMs() < finishMs) await pause(clock, TICK_MS);
  for (const connection of connections) connection.close();
  return { sent, elapsedMs, statuses: Object.fromEntries(statuses), reconnects };
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });
}
