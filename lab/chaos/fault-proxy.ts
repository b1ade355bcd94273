/**
 * A TCP proxy that does to a connection what networks do: late, slow, in crumbs, cut in the middle, or silent for ever.
 *
 * Faults are switched at runtime and hold for open connections too. What is left to chance is drawn from a seed. Every
 * fault that really happened is counted, so that a scenario can tell an injection from an intention. Links can be pointed
 * at another server (a failover that some clients have not heard of) and tapped (to act at the very byte that matters).
 *
 * Knows no protocol. A swallowed answer is always followed by a reset or by silence: a stream with a hole in it would be
 * a fault that TCP cannot have.
 */
import net from "node:net";
import { createSeededRandom, type SeededRandom } from "../swarm/seeded-random.ts";
import { FaultPipe } from "./fault-pipe.ts";
import { type Direction, type FaultCounts, HONEST, type LinkFaults, type Tap } from "./link-faults.ts";

export interface FaultProxyOptions {
  readonly name: string;
  readonly target: { readonly port: number };
  readonly seed: number;
}

interface Link {
  readonly client: net.Socket;
  readonly server: net.Socket;
  readonly pipes: readonly FaultPipe[];
}

/** One listening port in front of one server, both on loopback. */
export class FaultProxy {
  readonly name: string;
  readonly counts: FaultCounts = {
    connections: 0,
    delayedChunks: 0,
    slices: 0,
    swallowedBytes: 0,
    droppedReplies: 0,
    cutFrames: 0,
    refusals: 0,
  };
  readonly #random: SeededRandom;
  readonly #listener: net.Server;
  readonly #links = new Set<Link>();
  #targetPort: number;
  #faults: LinkFaults = HONEST;
  #tap: Tap | null = null;

  private constructor(options: FaultProxyOptions) {
    this.name = options.name;
    this.#targetPort = options.target.port;
    this.#random = createSeededRandom(options.seed, 1);
    this.#listener = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** A proxy on a free port. */
  static async start(options: FaultProxyOptions, port = 0): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await new Promise<void>((resolve, reject) => {
      proxy.#listener.once("error", reject);
      proxy.#listener.listen(port, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#listener.address() as net.AddressInfo).port;
  }

  get targetPort(): number {
    return this.#targetPort;
  }

  get connectionCount(): number {
    return this.#links.size;
  }

  /** Sets the faults that are named; the others stay as they are. */
  disturb(faults: Partial<LinkFaults>): void {
    this.#faults = { ...this.#faults, ...faults };
    for (const link of [...this.#links]) {
      for (const pipe of link.pipes) pipe.look();
      this.#passOnTheEnd(link);
    }
  }

  /** No faults from now on. What was stalled flows; what was lost stays lost. */
  heal(): void {
    this.disturb(HONEST);
  }

  /** Resets every open connection. */
  cut(): void {
    for (const link of [...this.#links]) this.#reset(link);
  }

  /** Newcomers go to another server; open connections stay where they are unless they are cut. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  /** Looks at every chunk from now on; null ends it. */
  tap(tap: Tap | null): void {
    this.#tap = tap;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #accept(client: net.Socket): void {
    if (this.#faults.refuses) {
      this.counts.refusals += 1;
      client.resetAndDestroy();
      return;
    }
    this.counts.connections += 1;
    const server = net.connect({ host: "127.0.0.1", port: this.#targetPort, noDelay: true, allowHalfOpen: true });
    client.setNoDelay(true);
    const shared = {
      faults: () => this.#faults,
      counts: this.counts,
      random: this.#random,
      tap: (bytes: Uint8Array, direction: Direction) => this.#tap?.(bytes, direction) ?? "forward",
      reset: () => this.#reset(link),
    };
    const link: Link = {
      client,
      server,
      pipes: [
        new FaultPipe({ ...shared, from: client, to: server, direction: "toServer" }),
        new FaultPipe({ ...shared, from: server, to: client, direction: "toClient" }),
      ],
    };
    this.#links.add(link);
    for (const socket of [client, server]) {
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#passOnTheEnd(link));
    }
    for (const pipe of link.pipes) pipe.start();
  }

  /** The death of one end is news for the other one only on a wire that carries news. */
  #passOnTheEnd(link: Link): void {
    const isAnyClosed = link.client.destroyed || link.server.destroyed;
    const isSilent = this.#faults.silence !== "none" || link.pipes.some((pipe) => pipe.isLost);
    if (link.client.destroyed && link.server.destroyed) this.#forget(link);
    else if (isAnyClosed && !isSilent) this.#reset(link);
  }

  #reset(link: Link): void {
    for (const socket of [link.client, link.server]) if (!socket.destroyed) socket.resetAndDestroy();
    this.#forget(link);
  }

  #forget(link: Link): void {
    this.#links.delete(link);
    for (const pipe of link.pipes) pipe.end();
  }
}
