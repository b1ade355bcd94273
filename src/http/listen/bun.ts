/**
 * The listener on Bun: TCP by Bun.listen, HTTP by wire/. The only file that may use the Bun global; its twin is node.ts.
 *
 * Bun's own HTTP server makes a Request with its headers and address for every attempt, which costs more than the
 * decision (docs/adr names the figures). Bun keeps nothing of what a socket does not take at once, so that is done here.
 */
import type { Listener, ListenOptions } from "./listener.ts";
import type { WireConnection } from "./wire/connection.ts";
import type { Line } from "./wire/line.ts";
import { WireServer } from "./wire/wire-server.ts";

type BunSocket = Bun.Socket<BunLine>;

/** A socket with what it has not taken yet. */
class BunLine implements Line {
  connection: WireConnection | null = null;
  readonly #socket: BunSocket;
  #rest: Buffer[] = [];
  #isEnding = false;

  constructor(socket: BunSocket) {
    this.#socket = socket;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#rest.length === 0) {
      const written = this.#socket.write(bytes);
      // Below zero: it is gone, and says so by itself.
      if (written === bytes.length || written < 0) return true;
      // A copy: the bytes may be shared with other answers.
      this.#rest.push(Buffer.from(bytes.subarray(written)));
    } else {
      this.#rest.push(Buffer.from(bytes));
    }
    return false;
  }

  /** The socket takes bytes again. */
  flush(): void {
    while (this.#rest.length > 0) {
      const [next] = this.#rest as [Buffer];
      const written = this.#socket.write(next);
      if (written < 0) return;
      if (written < next.length) {
        this.#rest[0] = next.subarray(written);
        return;
      }
      this.#rest.shift();
    }
    this.connection?.drained();
    if (this.#isEnding) this.#socket.shutdown();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the sending half. With an argument Bun would end the receiving one. */
  end(): void {
    this.#isEnding = true;
    if (this.#rest.length === 0) this.#socket.shutdown();
  }

  close(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#rest = [];
    this.#socket.terminate();
  }
}

/** Starts to listen. Throws when the port is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const wire = new WireServer(options);
  const { hostname, port, reusePort } = options;
  // Bun takes `reusePort` here as well; its types know it of other calls only.
  const sockets: Bun.TCPSocketListenOptions<BunLine> & { reusePort: boolean } = {
    hostname,
    port,
    reusePort,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        const line = new BunLine(socket);
        socket.data = line;
        line.connection = wire.accept(line, socket.remoteAddress);
        if (line.connection === null) socket.end();
      },
      data: ({ data }, bytes) => data.connection?.data(bytes),
      drain: ({ data }) => data.flush(),
      end: ({ data }) => data.connection?.ended(),
      close: ({ data }) => data.connection?.closed(),
      error: ({ data }) => data.connection?.destroy(),
    },
  };
  try {
    const server = Bun.listen<BunLine>(sockets);
    return {
      port: server.port,
      async stop({ drainMs }) {
        server.stop(false);
        await wire.stop(drainMs);
      },
    };
  } catch (error) {
    await wire.stop(0);
    throw error;
  }
}
