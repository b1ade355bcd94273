/**
 * Sockets that say half of something and wait: a third nothing at all, a third half a head, a third half a body.
 *
 * As many as asked for are open at any time, from addresses of loopback, each of which holds only a few; what the node cuts
 * is opened again. It lasts as long as it is told to, like somebody who has nothing else to do.
 */
import { connect, type Socket } from "node:net";
import type { Clock } from "../../src/ports/clock.ts";
import type { FloodResult } from "./flood.ts";

export interface HalfOpenOptions {
  readonly port: number;
  readonly sockets: number;
  readonly durationMs: number;
  readonly clock: Clock;
}

const OPENED_PER_TICK = 25;
const TICK_MS = 10;
const HALF_HEAD = "POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ";
const HALF_BODY = "POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 16\r\n\r\n{";
const BEGINNINGS = ["", HALF_HEAD, HALF_BODY];

/** 127.1.0.1 and on, four sockets each. */
function addressOf(index: number): string {
  const place = index >> 2;
  return `127.1.${(place >> 8) & 255}.${1 + (place % 250)}`;
}

/** Holds the sockets for the time; `sent` counts all that were opened. */
export async function holdHalfOpen(options: HalfOpenOptions): Promise<FloodResult> {
  const { port, clock } = options;
  const open = new Set<Socket>();
  const startMs = clock.monotonicMs();
  let sent = 0;
  while (clock.monotonicMs() - startMs < options.durationMs) {
    for (let count = 0; count < OPENED_PER_TICK && open.size < options.sockets; count += 1) {
      const beginning = BEGINNINGS[sent % BEGINNINGS.length] ?? "";
      const socket = connect({ host: "127.0.0.1", port, localAddress: addressOf(sent % options.sockets) });
      open.add(socket);
      sent += 1;
      socket.on("connect", () => socket.write(beginning));
      // What is said to it is of no interest, but an end is only seen by who reads.
      socket.resume();
      socket.on("error", () => socket.destroy());
      socket.once("close", () => open.delete(socket));
    }
    await new Promise<void>((resolve) => {
      clock.setTimer(TICK_MS, resolve);
    });
  }
  for (const socket of open) socket.destroy();
  return {
    sent,
    elapsedMs: clock.monotonicMs() - startMs,
    statuses: {},
    reconnects: Math.max(0, sent - options.sockets),
  };
}
