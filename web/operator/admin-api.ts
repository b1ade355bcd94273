/**
 * Calls of the operator API with the operator's token or a person's session, and the problems they come back with.
 *
 * A 401 means that neither is good (any more): the console then goes back to its sign-in page, whatever was being
 * done. A session is a cookie that this code never sees. The statistics stream is read with fetch, because EventSource cannot send an Authorization header.
 */
import { EventStreamParser } from "../../client/event-stream.ts";
import type { Stats } from "./documents.ts";

const BASE = "/v1/admin";
const REQUEST_MS_MAX = 15_000;
/** Two ticks of the stream and a bit: after this much silence the connection is taken as dead. */
const SILENCE_MS_MAX = 8_000;
const RECONNECT_MS = 2_000;

/** What is wrong with one field of a body. `field` is a path such as `items[0].price.amount`. */
export interface FieldError {
  readonly field: string;
  readonly text: string;
}

/** A call that did not succeed. `message` is for the operator's eyes. */
export class AdminError extends Error {
  readonly reason: string;
  readonly errors: readonly FieldError[];

  constructor(problem: { reason: string; text: string; errors: readonly FieldError[] }) {
    super(problem.text);
    this.name = "AdminError";
    this.reason = problem.reason;
    this.errors = problem.errors;
  }
}

export interface AdminApiParts {
  /** Null = the session's cookie vouches for us. */
  readonly token: string | null;
  /** Nobody is signed in any more. */
  readonly onUnauthorized: () => void;
}

export class AdminApi {
  readonly #token: string | null;
  readonly #onUnauthorized: () => void;
  readonly #end = new AbortController();

  constructor({ token, onUnauthorized }: AdminApiParts) {
    this.#token = token;
    this.#onUnauthorized = onUnauthorized;
  }

  /** The answer's document. Throws AdminError for every other outcome, a broken network included. */
  async call<Document>(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<Document> {
    const headers = { "content-type": typeof body === "string" ? "text/plain" : "application/json" };
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await this.#fetch(path, {
      method,
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
      ...(body === undefined ? {} : { body: text, headers }),
    });
    return (response.status === 204 ? null : await response.json()) as Document;
  }

  /** Sends a file as it is. No deadline: a list of a million takes its time. */
  async upload<Document>(path: string, file: Blob): Promise<Document> {
    const headers = { "content-type": "text/csv" };
    return (await (await this.#fetch(path, { method: "PUT", body: file, headers })).json()) as Document;
  }

  /** The whole file, for saving. No deadline: an export of a large sale takes its time. */
  async download(path: string): Promise<Blob> {
    return (await this.#fetch(path, { method: "GET" })).blob();
  }

  /** Ends a person's session. What is still asked is given up, and its refusal not taken for news. Throws AdminError like `call`. */
  async signOut(): Promise<void> {
    this.#end.abort(new AdminError({ reason: "signed_out", text: "", errors: [] }));
    await new AdminApi({ token: null, onUnauthorized: () => undefined }).call("POST", "/sign-out", {});
  }

  /** Calls back about once a second until the signal ends it; `onBreak` while there is no connection. */
  async followStats(
    saleId: string,
    listeners: { onStats: (stats: Stats) => void; onBreak: (text: string) => void; signal: AbortSignal },
  ): Promise<void> {
    const { signal, onStats, onBreak } = listeners;
    while (!signal.aborted) {
      try {
        await this.#readStats(saleId, onStats, signal);
      } catch (error) {
        if (signal.aborted) return;
        onBreak(textOf(error));
      }
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }

  async #readStats(saleId: string, onStats: (stats: Stats) => void, signal: AbortSignal): Promise<void> {
    const connection = new AbortController();
    const response = await this.#fetch(`/sales/${saleId}/stats/stream`, {
      method: "GET",
      signal: AbortSignal.any([signal, connection.signal]),
    });
    const parser = new EventStreamParser({
      onEvent: ({ event, data }) => {
        const stats: Stats | null = event === "stats" ? JSON.parse(data) : null;
        if (stats !== null && !signal.aborted) onStats(stats);
      },
      onRetry: () => undefined,
    });
    const reader = (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const silence = setTimeout(() => connection.abort(), SILENCE_MS_MAX);
      const piece = await reader.read().finally(() => clearTimeout(silence));
      if (piece.done) return;
      parser.push(piece.value);
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = {
      ...init.headers,
      accept: "application/json",
      ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
    };
    const signal = AbortSignal.any([this.#end.signal, ...(init.signal ? [init.signal] : [])]);
    const response = await fetch(BASE + path, {
      ...init,
      headers,
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
    if (response.ok) return response;
    if (response.status === 401) this.#onUnauthorized();
    throw await adminErrorOf(response);
  }
}

async function adminErrorOf(response: Response): Promise<AdminError> {
  const isDocument = response.headers.get("content-type")?.includes("json") === true;
  const problem = isDocument
    ? ((await response.json()) as { reason: string; title: string; detail?: string; errors?: readonly FieldError[] })
    : { reason: "unreadable", title: `The server answered ${response.status} without saying why.` };
  return new AdminError({
    reason: problem.reason,
    text: problem.detail ?? problem.title,
    errors: problem.errors ?? [],
  });
}

/** What went wrong, in words; a network that fails has none of its own worth showing. */
export function textOf(error: unknown): string {
  if (error instanceof AdminError) return error.message;
  return "No connection to this node. Nothing was changed unless the page says so.";
}
