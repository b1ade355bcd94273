/**
 * One Redis of the laboratory: durable as asked, killed, frozen and started again on the same port and folder.
 *
 * Commands go over a connection of their own each, straight to the server and never through a proxy, because they are
 * the administrator's. `fsyncedBytes` knows from outside how much of the append-only file a power cut could not take.
 */
import { mkdirSync, readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@redis/client";
import type { Clock } from "../../src/ports/clock.ts";
import { takeFreePort } from "../../test/support/ports.ts";
import { ChildProgram } from "../stack/child-program.ts";

const READY_WITHIN_MS = 20_000;
const ANSWER_WITHIN_MS = 2_000;
/** An `everysec` server may owe the disk this much time. */
const FSYNC_DEBT_MS = 1_000;
const SIZE_LOOK_INTERVAL_MS = 50;

export interface RedisServerOptions {
  readonly name: string;
  /** The server's data. Made when absent. */
  readonly folder: string;
  readonly durability: "always" | "everysec";
  /** More of the configuration file, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** For a preloaded library. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** See the file comment. */
export class RedisServer {
  readonly name: string;
  readonly port: number;
  readonly #options: RedisServerOptions;
  #program: ChildProgram | null = null;
  #sizes: { readonly atMs: number; readonly bytes: number }[] = [];
  #cancelLook: (() => void) | null = null;

  private constructor(options: RedisServerOptions, port: number) {
    this.name = options.name;
    this.port = port;
    this.#options = options;
  }

  /** A server on a free port, or on the one named, not started yet. */
  static async create(options: RedisServerOptions): Promise<RedisServer> {
    mkdirSync(options.folder, { recursive: true });
    return new RedisServer(options, await takeFreePort());
  }

  get isRunning(): boolean {
    return this.#program?.isRunning ?? false;
  }

  get pid(): number {
    return this.#program?.pid ?? 0;
  }

  get output(): string {
    return this.#program?.output ?? "";
  }

  /** Starts it and waits until it has read its file. */
  async start(): Promise<void> {
    const settings: Record<string, string> = {
      port: String(this.port),
      bind: "127.0.0.1",
      dir: this.#options.folder,
      save: "",
      appendonly: "yes",
      appendfsync: this.#options.durability,
      "auto-aof-rewrite-percentage": "0",
      "maxmemory-policy": "noeviction",
      "repl-diskless-sync": "yes",
      "repl-diskless-sync-delay": "0",
      ...this.#options.settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, ...value.split(" ")]);
    const env = { PATH: process.env["PATH"] ?? "", ...this.#options.env };
    const { name, clock } = this.#options;
    const program = new ChildProgram({ name, command: "redis-server", args, env, clock });
    this.#program = program;
    await program.untilReady(() => this.#answers(), READY_WITHIN_MS);
    this.#watchSize();
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.#cancelLook?.();
    if (this.isRunning) this.signal("SIGCONT");
    await this.#program?.kill();
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** An administrator's command. */
  async command(...words: string[]): Promise<unknown> {
    const client = createClient({
      socket: { host: "127.0.0.1", port: this.port, reconnectStrategy: false, connectTimeout: ANSWER_WITHIN_MS },
    });
    // Without a listener a lost connection would end the laboratory; the command's own rejection tells.
    client.on("error", () => undefined);
    await client.connect();
    try {
      return await client.sendCommand(words);
    } finally {
      client.destroy();
    }
  }

  /** The size of the append-only file as long ago as an fsync can be owed: less than that no power cut leaves. */
  fsyncedBytes(): number {
    const untilMs = this.#options.clock.monotonicMs() - FSYNC_DEBT_MS;
    return this.#sizes.findLast((size) => size.atMs <= untilMs)?.bytes ?? this.#sizes[0]?.bytes ?? 0;
  }

  /** The append-only file that grows, and its size. */
  appendOnlyFile(): { readonly path: string; readonly bytes: number } {
    const folder = join(this.#options.folder, "appendonlydir");
    const name = readdirSync(folder).findLast((file) => file.endsWith(".incr.aof"));
    if (name === undefined) throw new Error(`${this.name} has no append-only file in ${folder}`);
    const path = join(folder, name);
    return { path, bytes: statSync(path).size };
  }

  /** What a power cut does to the stopped server's file. */
  truncate(bytes: number): void {
    truncateSync(this.appendOnlyFile().path, bytes);
  }

  async #answers(): Promise<boolean> {
    try {
      return (await this.command("PING")) === "PONG";
    } catch (error) {
      // Refused, or still reading its file.
      if (error instanceof Error) return false;
      throw error;
    }
  }

  #watchSize(): void {
    const { clock } = this.#options;
    this.#sizes = [];
    const look = (): void => {
      if (!this.isRunning) return;
      const nowMs = clock.monotonicMs();
      this.#sizes.push({ atMs: nowMs, bytes: this.appendOnlyFile().bytes });
      while (this.#sizes[1] !== undefined && this.#sizes[1].atMs < nowMs - 2 * FSYNC_DEBT_MS) this.#sizes.shift();
      this.#cancelLook = clock.setTimer(SIZE_LOOK_INTERVAL_MS, look);
    };
    this.#cancelLook?.();
    look();
  }
}
