/**
 * The listener on Node: TCP by node:net, HTTP by wire/. The twin of bun.ts, for the day a sale must be moved off Bun.
 */
import { createServer, type Socket } from "node:net";
import type { Listener, ListenOptions } from "./listener.ts";
import type { Line } from "./wire/line.ts";
import { WireServer } from "./wire/wire-server.ts";

const BACKLOG_CONNECTIONS_MAX = 4_096;

function lineOf(socket: Socket): Line {
  return {
    write: (bytes) => socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    close: () => socket.destroySoon(),
    destroy: () => void socket.destroy(),
  };
}

/** Starts to listen. Rejects when the port is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const wire = new WireServer(options);
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    // Also before anything else: a socket that was reset is an error of its own.
    socket.on("error", () => socket.destroy());
    const connection = wire.accept(lineOf(socket), socket.remoteAddress ?? "");
    if (connection === null) {
      socket.destroy();
      return;
    }
    socket.on("data", (bytes: Buffer) => connection.data(bytes));
    socket.on("drain", () => connection.drained());
    socket.on("end", () => connection.ended());
    socket.on("close", () => connection.closed());
  });
  const { hostname, reusePort } = options;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: hostname, port: options.port, reusePort, backlog: BACKLOG_CONNECTIONS_MAX }, resolve);
    });
  } catch (error) {
    await wire.stop(0);
    throw error;
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    async stop({ drainMs }) {
      const isFree = new Promise((resolve) => server.close(resolve));
      await wire.stop(drainMs);
      await isFree;
    },
  };
}
