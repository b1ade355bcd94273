/**
 * The listener on Node: the twin of bun.ts, for the day a sale must be moved off Bun.
 *
 * The hot route is answered on the bare HTTP server; only everything else goes through hono's adapter. Node has separate
 * limits for headers and for whole requests, which its server checks once a second; a body that nobody reads is dumped
 * by Node itself after the answer, so the connection stays usable.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { answerRefusal, plainRefusal } from "../../funnel/refusal-answers.ts";
import type { BodyFailure, HotAnswer, HotRequest } from "../../funnel/request.ts";
import type { Clock } from "../../ports/clock.ts";
import {
  HEADER_BYTES_MAX,
  HEADERS_DEADLINE_MS,
  type HotPath,
  IDLE_TIMEOUT_MS,
  isAnnouncedAbove,
  type Listener,
  type ListenOptions,
  matchHotPath,
  REQUEST_DEADLINE_MS,
  STALL_TIMEOUT_MS,
} from "./listener.ts";

/** How often Node looks for requests that are too late; its own default of 30 s would void both deadlines. */
const DEADLINE_CHECK_INTERVAL_MS = 1_000;
const BACKLOG_CONNECTIONS_MAX = 4_096;
/** How often a server that ends looks for connections that have become idle. */
const IDLE_LOOK_INTERVAL_MS = 50;
/** How long a connection without an unanswered request may finish what it is sending while the server ends. */
const UNFINISHED_GRACE_MS = 500;

class NodeHotRequest implements HotRequest {
  readonly saleId: string;
  readonly sku: string;
  readonly #incoming: IncomingMessage;

  constructor(incoming: IncomingMessage, path: HotPath) {
    this.saleId = path.saleId;
    this.sku = path.sku;
    this.#incoming = incoming;
  }

  get method(): string {
    return this.#incoming.method ?? "";
  }

  get pathAndQuery(): string {
    return this.#incoming.url ?? "";
  }

  get remoteAddress(): string {
    return this.#incoming.socket.remoteAddress ?? "";
  }

  header(name: string): string | null {
    const value = this.#incoming.headers[name];
    if (value === undefined) return null;
    return typeof value === "string" ? value : value.join(", ");
  }

  readBody(bytesMax: number): Promise<Uint8Array | BodyFailure> {
    const incoming = this.#incoming;
    return new Promise((resolve) => {
      const pieces: Buffer[] = [];
      let length = 0;
      incoming.on("data", (piece: Buffer) => {
        length += piece.length;
        if (length <= bytesMax) pieces.push(piece);
        else {
          pieces.length = 0;
          resolve("too_large");
        }
      });
      incoming.once("end", () => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces)));
      incoming.once("error", () => resolve("stalled"));
      incoming.once("close", () => resolve("stalled"));
    });
  }
}

function send(outgoing: ServerResponse, answer: HotAnswer): void {
  if (outgoing.destroyed) return;
  outgoing.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(answer.body) });
  outgoing.end(answer.body);
}

/** Starts to listen. Rejects when the port is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { funnel, app, requestBytesMax } = options;
  const cap = options.connectionCap ?? null;
  const answerApp = getRequestListener(
    (request, env) => {
      const remoteAddress = (env as HttpBindings).incoming.socket.remoteAddress ?? "";
      return app.fetch(request, { remoteAddress });
    },
    { overrideGlobalObjects: false },
  );

  const answering = new Set<Socket>();
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_DEADLINE_MS,
      requestTimeout: options.requestDeadlineMs ?? REQUEST_DEADLINE_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      connectionsCheckingInterval: DEADLINE_CHECK_INTERVAL_MS,
      noDelay: true,
    },
    (incoming, outgoing) => {
      answering.add(incoming.socket);
      outgoing.once("close", () => answering.delete(incoming.socket));
      if (funnel !== null && incoming.method === "POST") {
        const path = matchHotPath(incoming.url ?? "");
        if (path !== null) {
          const answer = funnel.decide(new NodeHotRequest(incoming, path));
          if (answer instanceof Promise) void answer.then((late) => send(outgoing, late));
          else send(outgoing, answer);
          return;
        }
      }
      if (isAnnouncedAbove(incoming.headers["content-length"] ?? null, requestBytesMax)) {
        send(outgoing, answerRefusal(plainRefusal("payload_too_large")));
        return;
      }
      void answerApp(incoming, outgoing);
    },
  );
  const sockets = new Set<Socket>();
  server.timeout = STALL_TIMEOUT_MS;
  server.on("connection", (socket) => {
    // Read now: a socket that is closed does not know any more whose it was.
    const { remoteAddress = "" } = socket;
    if (cap !== null && !cap.enter(remoteAddress)) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      cap?.leave(remoteAddress);
    });
  });
  await bind(server, options);

  return {
    port: (server.address() as AddressInfo).port,
    stop: ({ drainMs }) => stop({ server, sockets, answering, clock: options.clock, drainMs }),
  };
}

function bind(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      {
        host: options.hostname,
        port: options.port,
        reusePort: options.reusePort,
        backlog: BACKLOG_CONNECTIONS_MAX,
      },
      () => {
        server.off("error", reject);
        resolve();
      },
    );
  });
}

/**
 * Ends the server when its requests are answered. Connections that have nothing to say are closed again and again: after
 * their last answer they become idle, and Node does not count as idle a connection that a browser opened in advance, nor
 * one whose request was answered before its body was there: those are cut after a short grace.
 */
function stop(parts: {
  server: Server;
  sockets: ReadonlySet<Socket>;
  /** Sockets with a request that is not answered yet. */
  answering: ReadonlySet<Socket>;
  clock: Clock;
  drainMs: number;
}): Promise<void> {
  const { server, sockets, answering, clock, drainMs } = parts;
  return new Promise((resolve) => {
    let cancelLook = (): void => undefined;
    const graceEndsMs = clock.monotonicMs() + Math.min(drainMs, UNFINISHED_GRACE_MS);
    const closeIdle = (): void => {
      server.closeIdleConnections();
      const isGraceOver = clock.monotonicMs() >= graceEndsMs;
      for (const socket of sockets) {
        if (socket.bytesRead === 0 || (isGraceOver && !answering.has(socket))) socket.destroy();
      }
      cancelLook = clock.setTimer(IDLE_LOOK_INTERVAL_MS, closeIdle);
    };
    const cancelCut = clock.setTimer(drainMs, () => server.closeAllConnections());
    server.close(() => {
      cancelLook();
      cancelCut();
      resolve();
    });
    closeIdle();
  });
}
