/**
 * The ledger's Redis in the shapes that people run it in: none, one server, a primary with a replica, a cluster of three.
 *
 * Every node reaches a single server or the primary over a link of its own, so that one node can be cut off while others
 * are not. The servers of a cluster announce the ports of their proxies, because their clients go where they are told;
 * there the links are shared. A replica follows through a link as well: that is how it comes to lag.
 */
import { join } from "node:path";
import type { Clock } from "../../src/ports/clock.ts";
import { takeFreePort } from "../../test/support/ports.ts";
import { waitUntil } from "../../test/support/waiting.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { RedisServer } from "./redis-server.ts";

export type Topology = "none" | "single" | "pair" | "cluster";

const CLUSTER_SIZE = 3;
const SLOTS = 16_384;
const CATCHES_UP_WITHIN_MS = 10_000;

export interface RedisSideOptions {
  readonly topology: Topology;
  readonly durability: "always" | "everysec";
  readonly folder: string;
  readonly seed: number;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string>>;
}

/** See the file comment. */
export class RedisSide {
  readonly topology: Topology;
  readonly servers: readonly RedisServer[];
  /** One a server, in the same order; only in a cluster. */
  readonly clusterLinks: readonly FaultProxy[];
  /** Between the primary and its replica; only in a pair. */
  readonly replicationLink: FaultProxy | null;
  readonly #seed: number;
  readonly #links = new Map<string, FaultProxy>();
  #primaryIndex = 0;

  private constructor(parts: {
    topology: Topology;
    servers: readonly RedisServer[];
    clusterLinks: readonly FaultProxy[];
    replicationLink: FaultProxy | null;
    seed: number;
  }) {
    this.topology = parts.topology;
    this.servers = parts.servers;
    this.clusterLinks = parts.clusterLinks;
    this.replicationLink = parts.replicationLink;
    this.#seed = parts.seed;
  }

  /** Starts the servers of the shape. */
  static async start(options: RedisSideOptions): Promise<RedisSide> {
    const { topology, seed } = options;
    const none = { topology, servers: [], clusterLinks: [], replicationLink: null, seed };
    if (topology === "none") return new RedisSide(none);
    if (topology === "cluster") return new RedisSide({ ...none, ...(await startCluster(options)) });
    const create = (name: string): Promise<RedisServer> =>
      RedisServer.create({ ...options, name, folder: join(options.folder, name) });
    const first = await create("redis-1");
    await first.start();
    if (topology === "single") return new RedisSide({ ...none, servers: [first] });
    const second = await create("redis-2");
    await second.start();
    const replicationLink = await FaultProxy.start({ name: "replication", target: { port: first.port }, seed });
    const side = new RedisSide({ ...none, servers: [first, second], replicationLink });
    await side.#follow();
    return side;
  }

  /** The server that nodes are meant to talk to. */
  get primary(): RedisServer {
    return this.#at(this.#primaryIndex);
  }

  /** The other one of a pair. */
  get replica(): RedisServer {
    return this.#at(1 - this.#primaryIndex);
  }

  /** The value of REDIS_URL for a node; null without Redis. Its links are named after it. */
  async urlFor(node: string): Promise<string | null> {
    if (this.topology === "none") return null;
    if (this.topology === "cluster") {
      return this.clusterLinks.map((link) => `redis://127.0.0.1:${link.port}`).join(",");
    }
    const target = { port: this.primary.port };
    const link = await FaultProxy.start({ name: `${node}→redis`, target, seed: this.#seed + this.#links.size });
    this.#links.set(node, link);
    return `redis://127.0.0.1:${link.port}`;
  }

  /** The links that a node's ledger traffic takes. */
  linksOf(node: string): readonly FaultProxy[] {
    const own = this.#links.get(node);
    return own === undefined ? this.clusterLinks : [own];
  }

  get links(): readonly FaultProxy[] {
    return [...this.#links.values(), ...this.clusterLinks];
  }

  /** Makes the replica a primary; the old one does not hear of it. Links stay where they are until they are led over. */
  async promote(): Promise<void> {
    await this.replica.command("REPLICAOF", "NO", "ONE");
    this.#primaryIndex = 1 - this.#primaryIndex;
  }

  /** The named nodes go to the new primary; what they had open is reset. */
  lead(nodes: readonly string[]): void {
    for (const node of nodes) {
      for (const link of this.linksOf(node)) {
        link.retarget(this.primary.port);
        link.cut();
      }
    }
  }

  /** Everything as in the beginning: servers up, links honest and led to the primary, the replica caught up. */
  async restore(): Promise<void> {
    for (const link of this.links) link.heal();
    this.replicationLink?.heal();
    for (const server of this.servers) if (!server.isRunning) await server.start();
    if (this.topology !== "pair") return;
    for (const link of this.links) link.retarget(this.primary.port);
    await this.#follow();
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.links, ...(this.replicationLink === null ? [] : [this.replicationLink])].map((link) => link.stop()),
    );
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  async #follow(): Promise<void> {
    const { replica, replicationLink } = this;
    if (replicationLink === null) return;
    replicationLink.retarget(this.primary.port);
    await this.replica.command("REPLICAOF", "127.0.0.1", String(replicationLink.port));
    await waitUntil(
      "the replica to catch up",
      async () => /master_link_status:up/.test(String(await replica.command("INFO", "replication"))),
      { withinMs: CATCHES_UP_WITHIN_MS },
    );
  }

  #at(index: number): RedisServer {
    const server = this.servers[index];
    if (server === undefined) throw new Error(`a ${this.topology} has no server ${index}`);
    return server;
  }
}

async function startCluster(
  options: RedisSideOptions,
): Promise<{ servers: RedisServer[]; clusterLinks: FaultProxy[] }> {
  const servers: RedisServer[] = [];
  const clusterLinks: FaultProxy[] = [];
  const busPorts: number[] = [];
  for (let index = 0; index < CLUSTER_SIZE; index += 1) {
    const name = `redis-${index + 1}`;
    const busPort = await takeFreePort();
    const link = await FaultProxy.start({ name, target: { port: 0 }, seed: options.seed + index });
    const settings = {
      "cluster-enabled": "yes",
      "cluster-port": String(busPort),
      "cluster-announce-ip": "127.0.0.1",
      "cluster-announce-port": String(link.port),
      "cluster-announce-bus-port": String(busPort),
      "cluster-require-full-coverage": "no",
    };
    const server = await RedisServer.create({ ...options, name, folder: join(options.folder, name), settings });
    link.retarget(server.port);
    await server.start();
    servers.push(server);
    clusterLinks.push(link);
    busPorts.push(busPort);
  }
  for (const [index, server] of servers.entries()) {
    const first = Math.ceil((SLOTS * index) / CLUSTER_SIZE);
    const last = Math.ceil((SLOTS * (index + 1)) / CLUSTER_SIZE) - 1;
    await server.command("CLUSTER", "ADDSLOTSRANGE", String(first), String(last));
    const [meets] = servers;
    if (index === 0 || meets === undefined) continue;
    await server.command("CLUSTER", "MEET", "127.0.0.1", String(meets.port), String(busPorts[0]));
  }
  await waitUntil("the cluster to be whole", async () => {
    const infos = await Promise.all(servers.map((server) => server.command("CLUSTER", "INFO")));
    return infos.every(
      (info) =>
        /cluster_state:ok/.test(String(info)) &&
        /cluster_known_nodes:3/.test(String(info)) &&
        /cluster_slots_ok:16384/.test(String(info)),
    );
  });
  return { servers, clusterLinks };
}
