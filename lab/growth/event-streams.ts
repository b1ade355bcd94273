/**
 * Open event streams, as many as asked for, each of another buyer: raw sockets that listen and read nothing more.
 */
import { connect, type Socket } from "node:net";
import { mintBookToken } from "../bench/request-book.ts";

/** A node lets one address have so many streams at most; each address of this side takes fewer. */
const STREAMS_PER_ADDRESS = 900;
const OPENING_MAX = 50;
const ANSWER_WITHIN_MS = 20_000;

export class EventStreams {
  readonly #target: { readonly port: number; readonly secret: string };
  readonly #sockets: Socket[] = [];

  constructor(target: { readonly port: number; readonly secret: string }) {
    this.#target = target;
  }

  /** Opens so many more; rejects when one is refused. */
  async open(count: number): Promise<void> {
    const until = this.#sockets.length + count;
    while (this.#sockets.length < until) {
      const first = this.#sockets.length;
      const opening = Array.from({ length: Math.min(OPENING_MAX, until - first) }, (_, index) =>
        this.#openOne(first + index),
      );
      this.#sockets.push(...(await Promise.all(opening)));
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #openOne(number: number): Promise<Socket> {
    const { port, secret } = this.#target;
    const token = mintBookToken({ secret, run: "streams", number });
    const localAddress = `127.0.1.${1 + Math.floor(number / STREAMS_PER_ADDRESS)}`;
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress });
      socket.setTimeout(ANSWER_WITHIN_MS, () => reject(new Error("an event stream was not answered")));
      socket.once("error", reject);
      socket.once("data", (chunk: Buffer) => {
        socket.setTimeout(0);
        socket.resume();
        if (chunk.toString("latin1", 9, 12) === "200") resolve(socket);
        else reject(new Error(`an event stream was refused: ${chunk.toString("latin1", 0, 400)}`));
      });
      socket.write(`GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    });
  }
}
