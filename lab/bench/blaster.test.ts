/**
 * What a load counts: on a schedule everything that was due before the end, however late it is answered; in a closed loop
 * what was answered in time.
 */
import { afterEach, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { BlastResult, BlastTask } from "./blaster.ts";
import { runOnBun } from "./measure.ts";

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const DURATION_MS = 500;
const RATE_PER_S = 100;
/** At that rate in that time. */
const DUE = 50;

let server: Server | null = null;
const sockets = new Set<Socket>();

/** A server that answers at once but for a stretch after the first request, whose requests it answers at its end. */
async function serve(silence: { readonly fromMs: number; readonly untilMs: number }): Promise<number> {
  let firstMs: number | null = null;
  const started = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", () => {
      const nowMs = performance.now();
      firstMs ??= nowMs;
      const sinceMs = nowMs - firstMs;
      const isSilent = sinceMs >= silence.fromMs && sinceMs < silence.untilMs;
      if (!isSilent) socket.write(ANSWER);
      else if (silence.untilMs !== Number.POSITIVE_INFINITY) {
        setTimeout(() => socket.write(ANSWER), silence.untilMs - sinceMs);
      }
    });
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  const address = started.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function load(port: number, ratePerS: number | null): Promise<BlastResult> {
  const task: BlastTask = {
    ports: [port],
    connections: 4,
    warmUpMs: 0,
    durationMs: DURATION_MS,
    ratePerS,
    book: null,
    repeat: true,
  };
  return runOnBun<BlastResult>(join(import.meta.dirname, "blaster.ts"), task);
}

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
  server = null;
});

test("an open loop counts what was due before the end and answered after it, with all the time it took", async () => {
  const result = await load(await serve({ fromMs: 300, untilMs: 900 }), RATE_PER_S);
  expect(result).toMatchObject({ answers: DUE, failures: 0, outcomes: { 200: DUE } });
  expect(result.latencyMsP99).toBeGreaterThan(500);
}, 20_000);

test("what was due and never answered, or found no connection, has failed", async () => {
  const result = await load(await serve({ fromMs: 200, untilMs: Number.POSITIVE_INFINITY }), RATE_PER_S);
  expect(result.answers + result.failures).toBe(DUE);
  expect(result.answers).toBeLessThan(DUE / 2);
}, 20_000);

test("a closed loop counts what was answered in time", async () => {
  const result = await load(await serve({ fromMs: 0, untilMs: 900 }), null);
  expect(result).toMatchObject({ answers: 0, failures: 0, sentTotal: 4 });
}, 20_000);
