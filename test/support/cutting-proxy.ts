/**
 * A connection that breaks around the answer: between a client and PostgreSQL it cuts some requests' connections, either
 * as soon as the request is on its way or when its answer has arrived and was not passed on.
 *
 * Only large requests are counted, so that logging in is never disturbed. Which one is cut is the caller's draw.
 */
import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net";
import { takeFreePort } from "./ports.ts";

export type Cut = "none" | "after_request" | "before_answer";

export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cuts = 0;

  private constructor(options: { port: number; server: Server }) {
    this.port = options.port;
    this.#server = options.server;
  }

  /** How many connections were cut so far. */
  get cuts(): number {
    return this.#cuts;
  }

  /** `draw` is asked once for each request of more than `requestBytesMin` bytes. */
  static async start(options: { targetPort: number; requestBytesMin: number; draw: () => Cut }): Promise<CuttingProxy> {
    const port = await takeFreePort();
    const server = createServer();
    const proxy = new CuttingProxy({ port, server });
    server.on("connection", (client) => proxy.#relay(client, options));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket, options: { targetPort: number; requestBytesMin: number; draw: () => Cut }): void {
    const upstream = tcpConnect(options.targetPort, "127.0.0.1");
    const both = [client, upstream];
    let cut: Cut = "none";
    const end = (): void => {
      for (const socket of both) socket.destroy();
    };
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on("data", (chunk) => {
      const isRequest = cut === "none" && chunk.length >= options.requestBytesMin;
      if (isRequest) cut = options.draw();
      if (!isRequest || cut !== "after_request") upstream.write(chunk);
      else {
        this.#cuts += 1;
        upstream.write(chunk, end);
      }
    });
    upstream.on("data", (chunk) => {
      if (cut !== "before_answer") client.write(chunk);
      else {
        this.#cuts += 1;
        end();
      }
    });
  }
}
