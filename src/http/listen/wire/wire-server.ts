/**
 * All connections of one listener: how many one address may hold, whose time is over, and how the listener ends.
 *
 * The runtime's listener accepts and hands over; it knows nothing of HTTP. One look over all connections four times a
 * second keeps every deadline, to that precision.
 */
import type { ListenOptions } from "../listener.ts";
import { REQUEST_DEADLINE_MS } from "../listener.ts";
import { WireConnection, type WireShared } from "./connection.ts";
import { DateLine, HotBytes } from "./hot-bytes.ts";
import type { Line } from "./line.ts";

const SWEEP_INTERVAL_MS = 250;

/** The part of a listener that both runtimes share. */
export class WireServer {
  readonly #options: ListenOptions;
  readonly #connections = new Set<WireConnection>();
  readonly #shared: WireShared;
  #cancelSweep: () => void = () => undefined;
  #emptied: (() => void) | null = null;

  constructor(options: ListenOptions) {
    this.#options = options;
    const date = new DateLine();
    this.#shared = {
      funnel: options.funnel,
      app: options.app,
      requestBytesMax: options.requestBytesMax,
      requestDeadlineMs: options.requestDeadlineMs ?? REQUEST_DEADLINE_MS,
      hotBytes: new HotBytes(date),
      date,
      nowMs: 0,
      isStopping: false,
      gone: (connection) => this.#gone(connection),
    };
    this.#look();
  }

  /** Begins with a connection; null when its address has its share already, or the listener ends: hang up. */
  accept(line: Line, remoteAddress: string): WireConnection | null {
    if (this.#shared.isStopping) return null;
    const cap = this.#options.connectionCap ?? null;
    if (cap !== null && !cap.enter(remoteAddress)) return null;
    const connection = new WireConnection({ line, remoteAddress, shared: this.#shared });
    this.#connections.add(connection);
    return connection;
  }

  /** After the runtime accepts no more: lets answers finish for at most `drainMs`, then cuts what is left. */
  async stop(drainMs: number): Promise<void> {
    this.#shared.isStopping = true;
    for (const connection of this.#connections) connection.retire();
    if (this.#connections.size > 0) {
      const { clock } = this.#options;
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(drainMs, resolve);
        this.#emptied = () => {
          cancel();
          resolve();
        };
      });
    }
    for (const connection of this.#connections) connection.destroy();
    this.#cancelSweep();
  }

  #look(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#shared.nowMs = nowMs;
    this.#shared.date.update(clock.nowMs());
    for (const connection of this.#connections) connection.sweep(nowMs);
    this.#cancelSweep = clock.setTimer(SWEEP_INTERVAL_MS, () => this.#look());
  }

  #gone(connection: WireConnection): void {
    if (!this.#connections.delete(connection)) return;
    this.#options.connectionCap?.leave(connection.remoteAddress);
    if (this.#connections.size === 0) this.#emptied?.();
  }
}
