/**
 * One connection of a listener: requests in, answers out, in order, one at a time.
 *
 * An attempt that is refused by its headers is answered from the bytes it came in, without reading its body and without an
 * object of its own; everything else becomes a web-standard Request for the app. Every wait has a deadline, a number that
 * wire-server.ts compares with the time now and then, so none costs a timer. Who does not read his answers is not listened
 * to either.
 */
import type { HotAnswer } from "../../../funnel/request.ts";
import {
  ANSWER_DEADLINE_MS,
  type FetchApp,
  HEADER_BYTES_MAX,
  HEADERS_DEADLINE_MS,
  type HotRoute,
  IDLE_TIMEOUT_MS,
  matchHotPath,
  STALL_TIMEOUT_MS,
} from "../listener.ts";
import { mayHaveBody, toRequest } from "./app-request.ts";
import { CONTINUE, FAILED, MALFORMED, TOO_LARGE, TOO_MANY_HEADERS } from "./fixed-answers.ts";
import type { DateLine, HotBytes } from "./hot-bytes.ts";
import { HotWireRequest } from "./hot-request.ts";
import type { Line, LineEvents } from "./line.ts";
import { Outgoing } from "./outgoing.ts";
import { IncomingBody } from "./request-body.ts";
import { type HeadFault, RequestHead } from "./request-head.ts";
import { type Outlet, writeResponse } from "./response-writer.ts";

/** What all connections of a listener share. */
export interface WireShared {
  readonly funnel: HotRoute | null;
  readonly app: FetchApp;
  readonly requestBytesMax: number;
  readonly requestDeadlineMs: number;
  readonly hotBytes: HotBytes;
  readonly date: DateLine;
  /** Monotonic, a fraction of a second old. */
  nowMs: number;
  /** Every answer is its connection's last. */
  isStopping: boolean;
  /** Called once per connection, when it is gone. */
  gone(connection: WireConnection): void;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const NOTHING = Buffer.alloc(0);
/** What may wait of a body that nobody has asked for, or of requests behind the one that is being answered. */
const WAITING_BYTES_MAX = 65_536;
/** A body that nobody reads is taken up to this; above it, the connection ends. */
const DROPPED_BYTES_MAX = 1_048_576;
/** How long the other end may take to hang up after we said that we will. */
const LINGER_MS = 1_000;

/** How long half a request may take to become a whole one when the listener ends. */
const UNFINISHED_GRACE_MS = 500;

type Phase = "head" | "answering" | "answered" | "lingering" | "closed";

/** Made by the runtime's listener for each connection it accepts. */
export class WireConnection implements LineEvents {
  readonly remoteAddress: string;
  readonly #line: Line;
  readonly #shared: WireShared;
  readonly head = new RequestHead();
  readonly body: IncomingBody;
  readonly #outgoing: Outgoing;
  #hot: HotWireRequest | null = null;
  #phase: Phase = "head";
  #input: Buffer = NOTHING;
  #at = 0;
  #deadlineAtMs: number;
  #isHeadBegun = false;
  #isPaused = false;
  #isAdvancing = false;
  #hasContinued = false;
  /** The answer under way is an event stream. */
  #isEndless = false;
  /** No request can follow on this connection. */
  #isSpoilt = false;
  #hasEnded = false;
  #abort: AbortController | null = null;

  constructor(options: { line: Line; remoteAddress: string; shared: WireShared }) {
    this.#line = options.line;
    this.remoteAddress = options.remoteAddress;
    this.#shared = options.shared;
    this.body = new IncomingBody({ wanted: () => this.#wanted() });
    this.#outgoing = new Outgoing(options.line, () => this.#giveMs(STALL_TIMEOUT_MS));
    this.#deadlineAtMs = options.shared.nowMs + HEADERS_DEADLINE_MS;
  }

  data(bytes: Buffer): void {
    if (this.#phase === "lingering" || this.#phase === "closed") return;
    const isEmpty = this.#at >= this.#input.length;
    this.#input = isEmpty ? bytes : Buffer.concat([this.#input.subarray(this.#at), bytes]);
    this.#at = 0;
    this.#advance();
  }

  drained(): void {
    if (this.#phase === "closed") return;
    this.#giveMs(this.#patienceMs());
    this.#outgoing.drained();
    this.#advance();
  }

  /** The other end sends no more. An answer may still be wanted; an event stream, which would never end, is not. */
  ended(): void {
    this.#isSpoilt = true;
    this.#hasEnded = true;
    if (this.#phase === "answering" && !this.#isEndless) this.body.break();
    else this.destroy();
  }

  closed(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.body.break();
    this.#outgoing.lost();
    this.#abort?.abort();
    this.#input = NOTHING;
    this.#shared.gone(this);
  }

  destroy(): void {
    this.#line.destroy();
    this.closed();
  }

  /** Ends the connection when its time is over. */
  sweep(nowMs: number): void {
    if (nowMs >= this.#deadlineAtMs) this.destroy();
  }

  /** The listener ends: an answer that is under way is the last, half a request may still come, the rest ends now. */
  retire(): void {
    if (this.#phase === "answered" || (this.#phase === "head" && !this.#isHeadBegun)) this.#linger();
    else if (this.#phase === "head") this.#giveMs(UNFINISHED_GRACE_MS);
  }

  /** Goes as far as the input reaches. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    try {
      while (this.#step());
    } finally {
      this.#isAdvancing = false;
    }
    if (this.#input.length - this.#at > WAITING_BYTES_MAX) this.#pause();
    else if (this.#at >= this.#input.length) this.#input = NOTHING;
    if (this.#input === NOTHING) this.#at = 0;
  }

  /** One step; false when there is nothing to do before something happens. */
  #step(): boolean {
    if (this.#phase === "head") {
      if (this.#outgoing.isBlocked || !this.#readHead()) return false;
      this.#begin();
      return true;
    }
    if (this.#phase === "lingering" || this.#phase === "closed") return false;
    const { frame } = this.body;
    if (!frame.isDone && !this.#takeBody()) return false;
    if (!frame.isDone || this.#phase !== "answered") return false;
    this.#phase = "head";
    this.#isHeadBegun = false;
    if (!this.#outgoing.isBlocked) this.#giveMs(IDLE_TIMEOUT_MS);
    if (this.#isPaused) this.#resume();
    return true;
  }

  #readHead(): boolean {
    const input = this.#input;
    if (this.#at >= input.length) return false;
    const end = input.indexOf(HEAD_END, this.#at);
    const length = (end === -1 ? input.length : end) - this.#at;
    if (length > HEADER_BYTES_MAX) return this.#refuse("too_large");
    if (end === -1) {
      if (!this.#isHeadBegun) this.#giveMs(HEADERS_DEADLINE_MS);
      this.#isHeadBegun = true;
      return false;
    }
    const fault = this.head.read(input, this.#at, end);
    if (fault !== null) return this.#refuse(fault);
    this.#at = end + HEAD_END.length;
    return true;
  }

  /** The connection's next deadline. */
  #giveMs(patienceMs: number): void {
    this.#deadlineAtMs = this.#shared.nowMs + patienceMs;
  }

  /** How long the connection may now be without news. */
  #patienceMs(): number {
    if (this.#phase === "lingering") return LINGER_MS;
    if (this.#phase !== "answering") return IDLE_TIMEOUT_MS;
    return this.#isEndless ? Number.POSITIVE_INFINITY : ANSWER_DEADLINE_MS;
  }

  /** What follows cannot be told apart any more. */
  #refuse(fault: HeadFault): false {
    this.#outgoing.write(this.#shared.hotBytes.encode(fault === "malformed" ? MALFORMED : TOO_MANY_HEADERS, true));
    this.#linger();
    return false;
  }

  #begin(): void {
    const { funnel, requestDeadlineMs } = this.#shared;
    const head = this.head;
    this.#phase = "answering";
    this.#isSpoilt ||= !head.isPersistent;
    this.#hasContinued = false;
    this.#isEndless = false;
    this.body.begin(head);
    this.#giveMs(this.body.frame.isDone ? ANSWER_DEADLINE_MS : requestDeadlineMs);
    if (funnel !== null && head.method === "POST") {
      const path = matchHotPath(head.target);
      if (path !== null) {
        this.#hot ??= new HotWireRequest(this);
        this.#hot.saleId = path.saleId;
        this.#hot.sku = path.sku;
        const answer = funnel.decide(this.#hot);
        if (answer instanceof Promise) void answer.then((late) => this.#answerLate(late));
        else this.#answerHot(answer);
        return;
      }
    }
    this.#beginApp();
  }

  #answerHot(answer: HotAnswer): void {
    if (this.#phase !== "answering") return;
    const isLast = this.#isLast() || answer.headers["connection"] === "close";
    this.#outgoing.write(this.#shared.hotBytes.encode(answer, isLast));
    this.#finish(isLast);
  }

  #answerLate(answer: HotAnswer): void {
    this.#answerHot(answer);
    this.#advance();
  }

  /** Answers, and takes nothing more from this connection. */
  #answerLast(answer: HotAnswer): void {
    this.#isSpoilt = true;
    this.#answerHot(answer);
  }

  /** Whether the answer to the request under way ends the connection. */
  #isLast(): boolean {
    if (this.#isSpoilt || this.#shared.isStopping) return true;
    const { frame } = this.body;
    // Who waits for "continue" and hears something else may send the body or not: nobody can tell.
    if (this.head.expectsContinue && !this.#hasContinued && !frame.isDone) return true;
    return frame.owedBytes > DROPPED_BYTES_MAX;
  }

  #beginApp(): void {
    const head = this.head;
    if (head.contentLength > this.#shared.requestBytesMax) {
      this.#answerLast(TOO_LARGE);
      return;
    }
    this.#abort = new AbortController();
    const body = mayHaveBody(head) ? this.#appBody() : null;
    if (body === null) this.body.drop();
    const request = toRequest(head, body, this.#abort.signal);
    if (request === null) {
      this.#answerLast(MALFORMED);
      return;
    }
    void this.#runApp(request);
  }

  /** What is there already needs no stream. */
  #appBody(): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
    const { contentLength, isChunked } = this.head;
    if (isChunked || this.#input.length - this.#at < contentLength) return this.body.stream();
    const bytes = new Uint8Array(this.#input.subarray(this.#at, this.#at + contentLength));
    this.body.drop();
    return bytes;
  }

  async #runApp(request: Request): Promise<void> {
    let response: Response;
    try {
      response = await this.#shared.app.fetch(request, { remoteAddress: this.remoteAddress });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#answerLast(FAILED);
      return;
    }
    if (this.#phase !== "answering") {
      await response.body?.cancel();
      return;
    }
    this.#giveMs(ANSWER_DEADLINE_MS);
    const isReusable = await writeResponse(response, {
      outlet: this.#outlet(),
      isHead: this.head.method === "HEAD",
      date: this.#shared.date,
    });
    this.#abort = null;
    if (this.#phase !== "answering") return;
    this.#finish(!isReusable);
    this.#advance();
  }

  #outlet(): Outlet {
    return {
      knowsChunks: this.head.minorVersion === 1,
      isLast: this.#isLast(),
      signal: (this.#abort as AbortController).signal,
      send: (bytes) => {
        if (!this.#outgoing.isBlocked) this.#giveMs(this.#patienceMs());
        return this.#outgoing.send(bytes);
      },
      markEndless: () => {
        this.#isEndless = true;
        if (this.#hasEnded) this.destroy();
      },
    };
  }

  #finish(isLast: boolean): void {
    if (isLast) {
      this.#linger();
      return;
    }
    this.#phase = "answered";
    this.body.drop();
  }

  /**
   * Says good-bye. Where something unread is still on its way, the other end gets the time to read what it was sent: closing
   * at once would make the system throw that away (RFC 9112, 9.6).
   */
  #linger(): void {
    if (this.#phase === "closed") return;
    if (this.body.frame.isDone && this.#at >= this.#input.length && !this.#outgoing.isBlocked) {
      this.#line.close();
      this.closed();
      return;
    }
    this.#phase = "lingering";
    this.body.drop();
    this.#input = NOTHING;
    this.#at = 0;
    if (!this.#outgoing.isBlocked) this.#giveMs(LINGER_MS);
    if (this.#isPaused) this.#resume();
    this.#line.end();
  }

  /** False when the body waits for its reader, or for more of itself. */
  #takeBody(): boolean {
    if (!this.body.isTaking) {
      if (this.#input.length > this.#at) this.#pause();
      return false;
    }
    if (this.#isPaused) this.#resume();
    if (this.#at >= this.#input.length) return false;
    const at = this.body.take(this.#input, this.#at);
    if (at === -1) {
      if (this.#phase === "answered") this.destroy();
      this.#isSpoilt = true;
      this.#at = this.#input.length;
      return false;
    }
    this.#at = at;
    if (this.body.frame.isDone && this.#phase === "answering") this.#giveMs(ANSWER_DEADLINE_MS);
    return true;
  }

  #wanted(): void {
    if (this.#phase !== "answering") return;
    if (this.head.expectsContinue && !this.#hasContinued && this.#at >= this.#input.length) {
      this.#hasContinued = true;
      this.#outgoing.write(CONTINUE);
    }
    if (this.#isPaused) this.#resume();
    // Within decide(), the step that called it goes on by itself.
    if (!this.#isAdvancing) this.#advance();
    else if (!this.body.frame.isDone) this.#takeBody();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#line.pause();
  }

  #resume(): void {
    this.#isPaused = false;
    this.#line.resume();
  }
}
