/**
 * Asks about reservations that were answered as queued until they are held: what a buyer waits for after a 202.
 *
 * A few connections of its own ask in turns of some milliseconds, so the figure is at most that much too long and the
 * asking costs the shop next to nothing. A reservation that nobody decides in time counts with that time.
 */
import { Agent, request as httpRequest } from "node:http";

const ASK_INTERVAL_MS = 5;
const GIVES_UP_AFTER_MS = 10_000;
const SOCKETS_MAX = 16;

export class Follower {
  readonly #ports: readonly number[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  readonly #running: Promise<number>[] = [];

  constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  /** Begins to ask about the reservation that the body names, with the session of the request. */
  follow(request: Buffer, body: Buffer): void {
    const session = /^Authorization: (.+)$/m.exec(request.toString("latin1"))?.[1]?.trim();
    const { rid } = JSON.parse(body.toString("utf8")) as { rid: string };
    if (session === undefined) throw new Error("a request without a session cannot be followed");
    this.#running.push(this.#ask(session, rid));
  }

  /** All waiting times, in milliseconds, once everything is decided. */
  async finish(): Promise<readonly number[]> {
    const waits = await Promise.all(this.#running);
    this.#agent.destroy();
    return waits;
  }

  async #ask(session: string, rid: string): Promise<number> {
    const startedMs = performance.now();
    const port = this.#ports[this.#running.length % this.#ports.length] ?? 0;
    for (;;) {
      const status = await this.#read({ port, session, rid });
      const waitedMs = performance.now() - startedMs;
      if (status === "held" || waitedMs > GIVES_UP_AFTER_MS) return waitedMs;
      await new Promise((resolve) => setTimeout(resolve, ASK_INTERVAL_MS));
    }
  }

  #read(call: { port: number; session: string; rid: string }): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          port: call.port,
          host: "127.0.0.1",
          path: `/v1/reservations/${call.rid}`,
          headers: { authorization: call.session },
          agent: this.#agent,
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () => resolve(/"status":"(\w+)"/.exec(text)?.[1] ?? null));
        },
      );
      request.once("error", reject);
      request.end();
    });
  }
}
