/**
 * A lean HTTP/1.1 client on raw sockets: a bounded keep-alive pool, one request per socket at a time, and the power to
 * hang up in the middle of a request, which no ordinary client offers and every impatient phone does.
 *
 * Costs about 11 µs of CPU a request (Bun and Node alike), so two cores can carry the crowd and the server it
 * presses on. A request that finds no free socket waits in a bounded queue; its latency counts from the instant the
 * caller scheduled it, never from the write. Retries are the caller's decision.
 */
import net from "node:net";
import type { Clock } from "../../src/ports/clock.ts";
import { AnswerReader, type HttpAnswer, ProtocolError } from "./http-answer.ts";

const DEADLINE_SCAN_INTERVAL_MS = 200;

export interface HttpClientOptions {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  readonly queueDepthMax: number;
  /** From the write to the complete answer. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Where connections come from: one of this machine's addresses, of which loopback has 16 million. */
  readonly localAddress?: string;
}

/** Hang up after this many bytes of the request (null = all of them) and this long after writing them. */
export interface Drop {
  readonly afterBytes: number | null;
  readonly afterMs: number;
}

/**
 * Why a request has no answer. Except for "queue_full" and "refused", the server may have acted on it. "gateway": whoever
 * stands in front of the shop answered in its place.
 */
export type NoAnswerCause =
  | "dropped"
  | "reset"
  | "timeout"
  | "protocol"
  | "refused"
  | "queue_full"
  | "closed"
  | "gateway";

export type HttpOutcome =
  | { readonly kind: "answer"; readonly answer: HttpAnswer }
  | { readonly kind: "no_answer"; readonly cause: NoAnswerCause };

interface Exchange {
  readonly bytes: Uint8Array;
  readonly drop: Drop | null;
  readonly settle: (outcome: HttpOutcome) => void;
}

interface Connection {
  readonly socket: net.Socket;
  readonly reader: AnswerReader;
  exchange: Exchange | null;
  deadlineAtMs: number;
  isConnected: boolean;
}

/** Sends requests and settles each exactly once. Never rejects. */
export class HttpClient {
  private readonly options: HttpClientOptions;
  private readonly connections = new Set<Connection>();
  private readonly idle: Connection[] = [];
  private waiting: Exchange[] = [];
  private waitingHead = 0;
  private cancelScan: (() => void) | null = null;
  private isClosed = false;

  constructor(options: HttpClientOptions) {
    this.options = options;
  }

  /** Requests waiting for a socket. */
  get queueDepth(): number {
    return this.waiting.length - this.waitingHead;
  }

  send(bytes: Uint8Array, drop: Drop | null = null): Promise<HttpOutcome> {
    return new Promise((settle) => {
      if (this.isClosed) return settle({ kind: "no_answer", cause: "closed" });
      const exchange: Exchange = { bytes, drop, settle };
      const connection = this.idle.pop();
      if (connection !== undefined) return this.begin(connection, exchange);
      if (this.connections.size < this.options.connectionsMax) return this.connect(exchange);
      if (this.queueDepth >= this.options.queueDepthMax) return settle({ kind: "no_answer", cause: "queue_full" });
      this.waiting.push(exchange);
    });
  }

  /** Ends every connection; requests in flight or waiting settle without an answer. */
  close(): void {
    this.isClosed = true;
    this.cancelScan?.();
    this.cancelScan = null;
    const waiting = this.waiting.slice(this.waitingHead);
    this.waiting = [];
    this.waitingHead = 0;
    for (const exchange of waiting) exchange.settle({ kind: "no_answer", cause: "closed" });
    for (const connection of [...this.connections]) this.end(connection, "closed");
  }

  private connect(exchange: Exchange): void {
    const { host, port, localAddress } = this.options;
    const from = localAddress === undefined ? {} : { localAddress };
    const socket = net.connect({ host, port, noDelay: true, ...from });
    const connection: Connection = {
      socket,
      reader: new AnswerReader(),
      exchange,
      deadlineAtMs: this.options.clock.monotonicMs() + this.options.deadlineMs,
      isConnected: false,
    };
    this.connections.add(connection);
    this.armScan();
    socket.on("connect", () => {
      connection.isConnected = true;
      if (connection.exchange !== null) this.begin(connection, connection.exchange);
    });
    socket.on("data", (chunk: Buffer) => this.read(connection, chunk));
    socket.on("error", () => this.end(connection, connection.isConnected ? "reset" : "refused"));
    socket.on("close", () => this.end(connection, connection.isConnected ? "reset" : "refused"));
  }

  private begin(connection: Connection, exchange: Exchange): void {
    connection.exchange = exchange;
    connection.deadlineAtMs = this.options.clock.monotonicMs() + this.options.deadlineMs;
    this.armScan();
    const drop = exchange.drop;
    if (drop === null) {
      connection.socket.write(exchange.bytes);
      return;
    }
    connection.socket.write(drop.afterBytes === null ? exchange.bytes : exchange.bytes.subarray(0, drop.afterBytes));
    this.options.clock.setTimer(drop.afterMs, () => this.end(connection, "dropped"));
  }

  private read(connection: Connection, chunk: Buffer): void {
    const exchange = connection.exchange;
    // A buyer who is about to hang up does not read; a byte nobody asked for makes the socket unusable.
    if (exchange?.drop != null) return;
    const answer = exchange === null ? "unusable" : readChunk(connection, chunk);
    if (answer === "unusable") this.end(connection, "protocol");
    if (exchange === null || answer === null || answer === "unusable") return;
    connection.exchange = null;
    if (answer.closes) this.end(connection, "closed");
    else this.giveBack(connection);
    exchange.settle({ kind: "answer", answer });
  }

  private giveBack(connection: Connection): void {
    const next = this.takeWaiting();
    if (next === null) this.idle.push(connection);
    else this.begin(connection, next);
  }

  private takeWaiting(): Exchange | null {
    const next = this.waiting[this.waitingHead];
    if (next === undefined) return null;
    this.waitingHead += 1;
    if (this.waitingHead > 1_024 && this.waitingHead * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.waitingHead);
      this.waitingHead = 0;
    }
    return next;
  }

  private end(connection: Connection, cause: NoAnswerCause): void {
    if (!this.connections.delete(connection)) return;
    const at = this.idle.indexOf(connection);
    if (at !== -1) this.idle.splice(at, 1);
    connection.socket.destroy();
    connection.exchange?.settle({ kind: "no_answer", cause });
    connection.exchange = null;
    if (this.isClosed) return;
    const next = this.takeWaiting();
    if (next !== null) this.connect(next);
  }

  /** One timer for all deadlines: a timer per request would cost more than the request. */
  private armScan(): void {
    if (this.cancelScan !== null || this.isClosed) return;
    this.cancelScan = this.options.clock.setTimer(DEADLINE_SCAN_INTERVAL_MS, () => {
      this.cancelScan = null;
      const nowMs = this.options.clock.monotonicMs();
      let busyCount = 0;
      for (const connection of [...this.connections]) {
        if (connection.exchange === null) continue;
        if (nowMs >= connection.deadlineAtMs) this.end(connection, "timeout");
        else busyCount += 1;
      }
      if (busyCount > 0) this.armScan();
    });
  }
}

function readChunk(connection: Connection, chunk: Buffer): HttpAnswer | null | "unusable" {
  try {
    return connection.reader.push(chunk);
  } catch (error) {
    if (error instanceof ProtocolError) return "unusable";
    throw error;
  }
}
