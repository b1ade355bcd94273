/**
 * A listener in a process of its own, on the runtime that runs this file, with a funnel and an app made of one-liners.
 *
 * Started by listen.test.ts; prints its port and then waits for the end of its input.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import type { BuyerId } from "../../src/domain/ids.ts";
import type { HotAnswer, HotRequest } from "../../src/funnel/request.ts";
import { ConnectionCap } from "../../src/http/listen/connection-cap.ts";
import type { FetchApp, HotRoute } from "../../src/http/listen/listener.ts";
import { EventConnection } from "../../src/push/connection.ts";
import { EVENT_HUB_LIMITS } from "../../src/push/hub.ts";

const DRAIN_MS = 500;
const CONNECTIONS_PER_ADDRESS_MAX = 50;
const CHUNK = new Uint8Array(65_536);
const FRAME = `data: ${"x".repeat(8_000)}\n\n`;
/** A stream that got so much has nobody who counts it. */
const BURST_BYTES_MAX = 64 * 1024 * 1024;

/** What became of the last "/burst" and of the last "/endless". */
const state = { sentBytes: 0, isDropped: false, isGivenUp: false };

/** An event stream that says more than anybody can read, until its reader is dropped. */
function openBurst(): Response {
  state.sentBytes = 0;
  state.isDropped = false;
  const connection = new EventConnection({
    buyerId: "slow" as BuyerId,
    bufferBytesMax: EVENT_HUB_LIMITS.bufferBytesMax,
    onClose: () => clearInterval(timer),
  });
  const timer = setInterval(() => {
    if (connection.send(FRAME)) state.sentBytes += FRAME.length;
    else state.isDropped = true;
    if (state.sentBytes > BURST_BYTES_MAX) connection.close();
  }, 1);
  return new Response(connection.stream, { headers: { "content-type": "text/event-stream" } });
}

function answer(document: unknown, status: number): HotAnswer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(document) };
}

/** An answer that goes on for as long as somebody takes it. */
function openEndless(): Response {
  state.isGivenUp = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (stream) => stream.enqueue(CHUNK),
    cancel: () => {
      state.isGivenUp = true;
    },
  });
  return new Response(body, { headers: { "content-type": "application/octet-stream" } });
}

/** "refuse" answers at once and reads nothing; any other sku reads the body. */
const funnel: HotRoute = {
  decide(request: HotRequest) {
    const { method, saleId, sku, pathAndQuery, remoteAddress } = request;
    const seen = { method, saleId, sku, pathAndQuery, remoteAddress, key: request.header("idempotency-key") };
    if (sku === "refuse") return answer(seen, 409);
    return Promise.resolve(request.readBody(10)).then((body) => {
      const text = typeof body === "string" ? null : new TextDecoder().decode(body);
      return answer({ ...seen, failure: typeof body === "string" ? body : null, text }, 201);
    });
  },
};

const app: FetchApp = {
  async fetch(request, { remoteAddress }) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo") return new Response(await request.text());
    if (pathname === "/endless") return openEndless();
    if (pathname === "/burst") return openBurst();
    if (pathname === "/state") return Response.json(state);
    if (pathname !== "/stream") return Response.json({ method: request.method, remoteAddress });
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => stream.enqueue(new TextEncoder().encode(":\n\n")),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  },
};

const isBun = process.versions["bun"] !== undefined;
const { listen } = isBun ? await import("../../src/http/listen/bun.ts") : await import("../../src/http/listen/node.ts");
const listener = await listen({
  hostname: "127.0.0.1",
  port: 0,
  reusePort: false,
  funnel,
  app,
  requestBytesMax: 1_000,
  connectionCap: new ConnectionCap({ perAddressMax: CONNECTIONS_PER_ADDRESS_MAX, trustedProxies: [] }),
  clock: createSystemClock(),
});
process.stdout.write(`${listener.port}\n`);
process.stdin.once("end", () => {
  void listener.stop({ drainMs: DRAIN_MS }).then(() => process.exit(0));
});
process.stdin.resume();
