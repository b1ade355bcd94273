/**
 * The ledger's Redis: durable as SAFETY.md asks, in a folder of its own, to be killed and started again on the same port.
 *
 * Its snapshots are off, because the append-only file is what counts, and a background save would only disturb.
 */
import { connect } from "node:net";
import type { Clock } from "../../src/ports/clock.ts";
import { takeFreePort } from "../../test/support/ports.ts";
import { ChildProgram } from "./child-program.ts";

const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 5_000;
const PING_WITHIN_MS = 500;

/** A Redis that keeps what it said. */
export class Redis {
  readonly port: number;
  readonly #start: () => ChildProgram;
  #program: ChildProgram;

  private constructor(port: number, start: () => ChildProgram) {
    this.port = port;
    this.#start = start;
    this.#program = start();
  }

  /** Starts it and waits until it answers. */
  static async start(options: { program: string; folder: string; clock: Clock }): Promise<Redis> {
    const { program, folder, clock } = options;
    const port = await takeFreePort();
    const settings = {
      port: String(port),
      bind: "127.0.0.1",
      dir: folder,
      save: "",
      appendonly: "yes",
      appendfsync: "always",
      "maxmemory-policy": "noeviction",
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const redis = new Redis(port, () => new ChildProgram({ name: "Redis", command: program, args, clock }));
    try {
      await redis.untilReady();
    } catch (error) {
      await redis.kill();
      throw error;
    }
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#program.pid;
  }

  get output(): string {
    return this.#program.output;
  }

  /** `kill -9`. What it had written to its file stays. */
  async kill(): Promise<void> {
    await this.#program.kill();
  }

  /** Starts the killed server again, on the same port and file, and waits until it has read the file. */
  async restart(): Promise<void> {
    this.#program = this.#start();
    await this.untilReady();
  }

  async stop(): Promise<void> {
    await this.#program.stop({ signal: "SIGTERM", withinMs: STOP_WITHIN_MS });
  }

  private async untilReady(): Promise<void> {
    await this.#program.untilReady(() => isAnsweringPing(this.port), READY_WITHIN_MS);
  }
}

/** A server that is still reading its file answers LOADING, not PONG. */
function isAnsweringPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: PING_WITHIN_MS });
    const finish = (isReady: boolean): void => {
      socket.destroy();
      resolve(isReady);
    };
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (chunk: Buffer) => finish(chunk.toString("latin1").startsWith("+PONG")));
    for (const event of ["error", "timeout", "close"] as const) socket.once(event, () => finish(false));
  });
}
