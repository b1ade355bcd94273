/**
 * Following the buyer's own reservations live, across any number of broken connections.
 *
 * Events are hints for a page; the truth is `GET /v1/reservations/{rid}`. The stream resumes with `Last-Event-ID`, so a
 * change during a break is told afterwards. A connection that is silent for longer than two heartbeats is taken as
 * dead. Reconnection waits are spread, because all streams of a node break in the same instant.
 */
import type { Problem, Reservation } from "./contract.ts";
import { EventStreamParser } from "./event-stream.ts";
import { problemOf } from "./problem.ts";
import { sleep } from "./sleep.ts";

export interface EventListeners {
  /** A reservation of the buyer changed; the document is its newest state. */
  readonly onReservation: (reservation: Reservation) => void;
  /** The stream is live: the place to read once what happened before. */
  readonly onOpen?: () => void;
  /** The stream broke and will be opened again after the wait. A page may poll meanwhile. */
  readonly onBreak?: (pause: { waitMs: number; problem: Problem | null }) => void;
  /** The server refused for good (the session is not valid any more); nothing is tried again. */
  readonly onEnd?: (problem: Problem) => void;
}

export interface EventSubscription {
  /** Ends the stream. No callback comes after it. */
  close(): void;
}

export interface EventSource {
  /** Opens the stream; `lastEventId` "" = from now on. */
  readonly open: (request: { lastEventId: string; signal: AbortSignal }) => Promise<Response>;
  readonly random: () => number;
}

const SILENCE_MS_MAX = 40_000;
const RECONNECT_MS = 2_000;
const RECONNECT_MS_MAX = 15_000;
const HTTP_CLIENT_ERRORS = { from: 400, below: 500 };
const HTTP_TOO_MANY = 429;

interface Progress {
  lastEventId: string;
  retryMs: number;
  failures: number;
}

/** A broken connection says nothing more than that it broke; the next one tells whether the server is there. */
function ignoreBreak(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}

async function readStream(
  response: Response,
  progress: Progress,
  listeners: EventListeners,
  connection: AbortController,
): Promise<void> {
  const parser = new EventStreamParser({
    onEvent: (event) => {
      if (connection.signal.aborted) return;
      progress.lastEventId = event.id;
      if (event.event === "reservation") listeners.onReservation(JSON.parse(event.data) as Reservation);
    },
    onRetry: (retryMs) => {
      progress.retryMs = Math.min(retryMs, RECONNECT_MS_MAX);
    },
  });
  const reader = (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
  // A fetch ends its body by itself when it is aborted; another source may not.
  connection.signal.addEventListener("abort", () => void reader.cancel().catch(ignoreBreak), { once: true });
  for (;;) {
    const silence = setTimeout(() => connection.abort(), SILENCE_MS_MAX);
    const piece = await reader.read().finally(() => clearTimeout(silence));
    if (piece.done) return;
    progress.failures = 0;
    parser.push(piece.value);
  }
}

function isFinal(status: number): boolean {
  return status >= HTTP_CLIENT_ERRORS.from && status < HTTP_CLIENT_ERRORS.below && status !== HTTP_TOO_MANY;
}

/** One connection until it breaks. The problem that ended it for good, or null / a passing problem to try again. */
async function connectOnce(
  source: EventSource,
  progress: Progress,
  listeners: EventListeners,
  closed: AbortSignal,
): Promise<{ problem: Problem | null; isFinal: boolean }> {
  const connection = new AbortController();
  const abort = () => connection.abort();
  closed.addEventListener("abort", abort, { once: true });
  try {
    const response = await source.open({ lastEventId: progress.lastEventId, signal: connection.signal });
    if (!response.ok) return { problem: await problemOf(response), isFinal: isFinal(response.status) };
    if (!closed.aborted) listeners.onOpen?.();
    await readStream(response, progress, listeners, connection);
    return { problem: null, isFinal: false };
  } finally {
    closed.removeEventListener("abort", abort);
    connection.abort();
  }
}

async function follow(source: EventSource, listeners: EventListeners, closed: AbortSignal): Promise<void> {
  const progress: Progress = { lastEventId: "", retryMs: RECONNECT_MS, failures: 0 };
  while (!closed.aborted) {
    let problem: Problem | null = null;
    try {
      const end = await connectOnce(source, progress, listeners, closed);
      problem = end.problem;
      if (problem !== null && end.isFinal) {
        if (!closed.aborted) listeners.onEnd?.(problem);
        return;
      }
    } catch (error) {
      ignoreBreak(error);
    }
    if (closed.aborted) return;
    const backoffMs = Math.min(RECONNECT_MS_MAX, (problem?.retryAfterMs ?? progress.retryMs) * 2 ** progress.failures);
    const waitMs = Math.ceil(backoffMs * (0.5 + source.random()));
    progress.failures += 1;
    listeners.onBreak?.({ waitMs, problem });
    await sleep(waitMs, closed);
  }
}

/** Starts following. Returns at once. */
export function followReservations(source: EventSource, listeners: EventListeners): EventSubscription {
  const closing = new AbortController();
  void follow(source, listeners, closing.signal);
  return { close: () => closing.abort() };
}
