/**
 * A listener in a process of its own, on the runtime that runs this file, with a funnel and an app made of one-liners.
 *
 * Started by listen.test.ts; prints its port and then waits for the end of its input.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import type { HotAnswer, HotRequest } from "../../src/funnel/request.ts";
import type { FetchApp, HotRoute } from "../../src/http/listen/listener.ts";

const DRAIN_MS = 500;

function answer(document: unknown, status: number): HotAnswer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(document) };
}

/** "refuse" answers at once and reads nothing; any other sku reads the body. */
const funnel: HotRoute = {
  decide(request: HotRequest) {
    const { method, saleId, sku, pathAndQuery, remoteAddress } = request;
    const seen = { method, saleId, sku, pathAndQuery, remoteAddress, key: request.header("idempotency-key") };
    if (sku === "refuse") return answer(seen, 409);
    return request.readBody(10).then((body) => {
      const text = typeof body === "string" ? null : new TextDecoder().decode(body);
      return answer({ ...seen, failure: typeof body === "string" ? body : null, text }, 201);
    });
  },
};

const app: FetchApp = {
  async fetch(request, { remoteAddress }) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo") return new Response(await request.text());
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
  clock: createSystemClock(),
});
process.stdout.write(`${listener.port}\n`);
process.stdin.once("end", () => {
  void listener.stop({ drainMs: DRAIN_MS }).then(() => process.exit(0));
});
process.stdin.resume();
