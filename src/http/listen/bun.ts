/**
 * The listener on Bun: the only file that may use the Bun global. Its twin is node.ts.
 *
 * Bun calls us when the headers are there and skips a body that nobody reads, so a refusal costs neither reading nor a
 * closed connection. Its idle timer does not restart with each byte but counts throughput, so it also ends senders that
 * drip; it must be lengthened for answers that take time, which is why waiting answers and event streams touch it.
 */
import { answerRefusal, plainRefusal, prepareClosingRefusal } from "../../funnel/refusal-answers.ts";
import type { BodyFailure, HotAnswer, HotRequest } from "../../funnel/request.ts";
import {
  ANSWER_DEADLINE_MS,
  type HotPath,
  IDLE_TIMEOUT_MS,
  isAnnouncedAbove,
  isEventStream,
  type Listener,
  type ListenOptions,
  matchHotPath,
} from "./listener.ts";
import { readStreamBounded } from "./read-stream.ts";

/**
 * Bun would answer beyond this without a problem document; our own bounds refuse long before. An unread body costs no
 * memory: Bun stops reading while we think and drops what comes after the answer.
 */
const BODY_BYTES_CUT = Number.MAX_SAFE_INTEGER;
const MS_PER_S = 1_000;
const IDLE_TIMEOUT_S = IDLE_TIMEOUT_MS / MS_PER_S;
const ANSWER_DEADLINE_S = ANSWER_DEADLINE_MS / MS_PER_S;

/** Said to an address that has too many requests open: it may come again, on another connection. */
const SHARE_USED_UP = prepareClosingRefusal({ reason: "busy" });

type BunServer = Bun.Server<undefined>;

class BunHotRequest implements HotRequest {
  readonly saleId: string;
  readonly sku: string;
  readonly pathAndQuery: string;
  readonly #request: Request;
  readonly #server: BunServer;

  constructor(request: Request, server: BunServer, path: HotPath & { pathAndQuery: string }) {
    this.saleId = path.saleId;
    this.sku = path.sku;
    this.pathAndQuery = path.pathAndQuery;
    this.#request = request;
    this.#server = server;
  }

  get method(): string {
    return this.#request.method;
  }

  get remoteAddress(): string {
    return this.#server.requestIP(this.#request)?.address ?? "";
  }

  header(name: string): string | null {
    return this.#request.headers.get(name);
  }

  async readBody(bytesMax: number): Promise<Uint8Array | BodyFailure> {
    try {
      // The announced length is what Bun waits for, so a short one needs no bound of its own.
      const announced = this.#request.headers.get("content-length");
      if (announced !== null && Number(announced) <= bytesMax) return await this.#request.bytes();
      return await readStreamBounded(this.#request.body, bytesMax);
    } catch (error) {
      if (error instanceof Error) return "stalled";
      throw error;
    }
  }
}

function toResponse(answer: HotAnswer): Response {
  return new Response(answer.body, answer);
}

/** Starts to listen. Throws when the port is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { funnel, app, requestBytesMax } = options;
  const cap = options.connectionCap ?? null;

  const answerHot = (request: Request, server: BunServer, path: HotPath & { pathAndQuery: string }) => {
    if (funnel === null) return null;
    const answer = funnel.decide(new BunHotRequest(request, server, path));
    if (!(answer instanceof Promise)) return toResponse(answer);
    server.timeout(request, ANSWER_DEADLINE_S);
    return answer.then((late) => {
      server.timeout(request, IDLE_TIMEOUT_S);
      return toResponse(late);
    });
  };

  const answerApp = async (request: Request, server: BunServer): Promise<Response> => {
    if (isAnnouncedAbove(request.headers.get("content-length"), requestBytesMax)) {
      return toResponse(answerRefusal(plainRefusal("payload_too_large")));
    }
    server.timeout(request, ANSWER_DEADLINE_S);
    const remoteAddress = server.requestIP(request)?.address ?? "";
    if (cap !== null && !cap.enter(remoteAddress)) return toResponse(answerRefusal(SHARE_USED_UP));
    try {
      const response = await app.fetch(request, { remoteAddress });
      server.timeout(request, isEventStream(response) ? 0 : IDLE_TIMEOUT_S);
      return response;
    } finally {
      cap?.leave(remoteAddress);
    }
  };

  const server: BunServer = Bun.serve({
    hostname: options.hostname,
    port: options.port,
    reusePort: options.reusePort,
    idleTimeout: IDLE_TIMEOUT_S,
    maxRequestBodySize: BODY_BYTES_CUT,
    development: false,
    fetch(request: Request, bunServer: BunServer) {
      if (funnel !== null && request.method === "POST") {
        const { url } = request;
        const pathAndQuery = url.slice(url.indexOf("/", url.indexOf("://") + 3));
        const path = matchHotPath(pathAndQuery);
        const answer = path === null ? null : answerHot(request, bunServer, { ...path, pathAndQuery });
        if (answer !== null) return answer;
      }
      return answerApp(request, bunServer);
    },
    error: () => toResponse(answerRefusal(plainRefusal("internal"))),
  });

  return {
    port: server.port ?? options.port,
    async stop({ drainMs }) {
      const drained = server.stop(false);
      const cut = new Promise<void>((resolve) => {
        const cancel = options.clock.setTimer(drainMs, resolve);
        void drained.then(() => {
          cancel();
          resolve();
        });
      });
      await cut;
      await server.stop(true);
    },
  };
}
