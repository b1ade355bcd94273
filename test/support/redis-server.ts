/**
 * Real Redis servers for tests and measurements: one server, a replica of one, a Cluster of three.
 *
 * Each lives in a temporary folder and on a free loopback port, and keeps both when it is killed and started again. A
 * server is durable as in production (append-only file, fsync before every answer, no eviction) unless a setting says
 * otherwise. REDIS_SERVER_PROGRAM names another program that speaks the same, Valkey's for example. Everything is ended
 * by pid.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { takeFreePort } from "./ports.ts";
import { waitUntil } from "./waiting.ts";

const PROGRAM = process.env["REDIS_SERVER_PROGRAM"] ?? "redis-server";
const COMMAND_TIMEOUT_MS = 5_000;
const READY_MS_MAX = 20_000;
const SLOTS = 16_384;
const CLUSTER_NODES = 3;
const SLOTS_PER_NODE = Math.ceil(SLOTS / CLUSTER_NODES);

export interface RedisServerOptions {
  /** Another program than the tests' own. */
  readonly program?: string;
  /** Default: true. */
  readonly appendOnly?: boolean;
  /** Default: "always". */
  readonly appendFsync?: "always" | "everysec" | "no";
  /** Lines of redis.conf, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Makes a replica of that server. */
  readonly replicaOf?: RedisServer;
  readonly isClusterNode?: boolean;
}

/** A server. Stop it in `afterAll`. */
export class RedisServer {
  readonly port: number;
  /** Where its append-only file lies, in the folder `appendonlydir`. */
  readonly folder: string;
  readonly #program: string;
  readonly #args: readonly string[];
  #server: ChildProcess | null = null;
  #output = "";

  private constructor(options: { port: number; folder: string; program: string; args: readonly string[] }) {
    this.port = options.port;
    this.folder = options.folder;
    this.#program = options.program;
    this.#args = options.args;
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), "doorbuster-redis-"));
    const port = await takeFreePort();
    const settings: Record<string, string> = {
      port: String(port),
      bind: "127.0.0.1",
      dir: folder,
      save: "",
      appendonly: options.appendOnly === false ? "no" : "yes",
      appendfsync: options.appendFsync ?? "always",
      "maxmemory-policy": "noeviction",
      "repl-diskless-sync-delay": "0",
      ...(options.replicaOf === undefined ? {} : { replicaof: `127.0.0.1 ${options.replicaOf.port}` }),
      ...(options.isClusterNode === true ? clusterSettings(await takeFreePort()) : {}),
      ...options.settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, ...words(name, value)]);
    const server = new RedisServer({ port, folder, program: options.program ?? PROGRAM, args });
    await server.startServer();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** The process id, null while it is stopped. */
  get pid(): number | null {
    return this.#server?.pid ?? null;
  }

  /** Starts the stopped server again, with the same folder and port, and waits until it has loaded its data. */
  async startServer(): Promise<void> {
    const program = this.#program;
    const server = spawn(program, this.#args, { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] });
    const failed = new Promise<never>((_, reject) => {
      server.once("error", () => reject(new Error(`${program} is needed: apt-get install redis-server`)));
      server.once("exit", (code) => reject(new Error(`${program} ended (${code}): ${this.#output.slice(-2_000)}`)));
    });
    failed.catch(() => undefined);
    server.stdout?.on("data", (chunk) => this.#keep(chunk));
    server.stderr?.on("data", (chunk) => this.#keep(chunk));
    this.#server = server;
    const endWithUs = (): void => void server.kill("SIGKILL");
    process.once("exit", endWithUs);
    server.once("exit", () => process.off("exit", endWithUs));
    const answers = waitUntil("Redis to answer", async () => (await this.call("PING")) === "PONG", {
      withinMs: READY_MS_MAX,
    });
    await Promise.race([answers, failed]);
  }

  /** Runs one command over a connection of its own. Rejects with the server's error reply. */
  async call(...args: string[]): Promise<unknown> {
    const client = createClient({
      url: this.url,
      RESP: 2,
      disableClientInfo: true,
      maintNotifications: "disabled",
      commandOptions: { timeout: COMMAND_TIMEOUT_MS },
      socket: { reconnectStrategy: false, connectTimeout: COMMAND_TIMEOUT_MS },
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return await client.sendCommand<unknown>(args);
    } finally {
      client.destroy();
    }
  }

  /** kill -9: what was not written is lost. The folder stays. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Ends the server as an administrator would. The folder stays. */
  stopServer(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Freezes the process: connections stay open and nothing answers. */
  freeze(): void {
    this.#server?.kill("SIGSTOP");
  }

  /** Lets a frozen server go on. */
  thaw(): void {
    this.#server?.kill("SIGCONT");
  }

  /** Makes a replica a primary, as a failover does. */
  async promote(): Promise<void> {
    await this.call("REPLICAOF", "NO", "ONE");
  }

  /** Ends the server and deletes the folder. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
    server.kill(signal);
    server.kill("SIGCONT");
    await ended;
  }

  #keep(chunk: Buffer): void {
    this.#output = (this.#output + chunk.toString("utf8")).slice(-20_000);
  }
}

/** A Cluster of masters without replicas that cover all slots. Stop it in `afterAll`. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(options: Omit<RedisServerOptions, "replicaOf" | "isClusterNode"> = {}): Promise<RedisCluster> {
    const nodes = await Promise.all(
      Array.from({ length: CLUSTER_NODES }, () => RedisServer.start({ ...options, isClusterNode: true })),
    );
    const cluster = new RedisCluster(nodes);
    for (const [at, node] of nodes.entries()) {
      const last = Math.min(SLOTS, (at + 1) * SLOTS_PER_NODE) - 1;
      await node.call("CLUSTER", "ADDSLOTSRANGE", String(at * SLOTS_PER_NODE), String(last));
      await node.call("CLUSTER", "SET-CONFIG-EPOCH", String(at + 1));
    }
    const [first, ...others] = nodes;
    for (const node of others) {
      const bus = await node.call("CONFIG", "GET", "cluster-port");
      await first?.call("CLUSTER", "MEET", "127.0.0.1", String(node.port), (bus as [string, string])[1]);
    }
    await waitUntil("the Cluster to agree", async () => {
      const infos = await Promise.all(nodes.map((node) => node.call("CLUSTER", "INFO")));
      return infos.every((info) => /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(String(info)));
    });
    return cluster;
  }

  get urls(): readonly string[] {
    return this.nodes.map((node) => node.url);
  }

  /** The node that had the slot when the Cluster was made. */
  nodeOf(slot: number): RedisServer {
    const node = this.nodes[Math.floor(slot / SLOTS_PER_NODE)];
    if (node === undefined) throw new Error(`no node has slot ${slot}`);
    return node;
  }

  /** Moves a slot's keys to another node, as an administrator's resharding does. Until the end the old one says ASK. */
  async beginMove(slot: number, { from, to }: { from: RedisServer; to: RedisServer }): Promise<void> {
    const [fromId, toId] = [String(await from.call("CLUSTER", "MYID")), String(await to.call("CLUSTER", "MYID"))];
    await to.call("CLUSTER", "SETSLOT", String(slot), "IMPORTING", fromId);
    await from.call("CLUSTER", "SETSLOT", String(slot), "MIGRATING", toId);
    const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", String(slot), "1000")) as string[];
    if (keys.length > 0) await from.call("MIGRATE", "127.0.0.1", String(to.port), "", "0", "5000", "KEYS", ...keys);
  }

  /** Gives the slot to its new node for good; the old one says MOVED. */
  async endMove(slot: number, { from, to }: { from: RedisServer; to: RedisServer }): Promise<void> {
    const toId = String(await to.call("CLUSTER", "MYID"));
    for (const node of [to, from]) await node.call("CLUSTER", "SETSLOT", String(slot), "NODE", toId);
  }

  /** Gives the slots of a node that died to one of the others, empty, as an administrator does who gave the node up. */
  async takeOver(dead: RedisServer): Promise<void> {
    const at = this.nodes.indexOf(dead);
    const range = [String(at * SLOTS_PER_NODE), String(Math.min(SLOTS, (at + 1) * SLOTS_PER_NODE) - 1)];
    const others = this.nodes.filter((node) => node !== dead);
    for (const node of others) await node.call("CLUSTER", "DELSLOTSRANGE", ...range);
    await others[0]?.call("CLUSTER", "ADDSLOTSRANGE", ...range);
    await waitUntil("the others to agree", async () => {
      const infos = await Promise.all(others.map((node) => node.call("CLUSTER", "INFO")));
      return infos.every((info) => String(info).includes("cluster_state:ok"));
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

function clusterSettings(busPort: number): Record<string, string> {
  return { "cluster-enabled": "yes", "cluster-port": String(busPort), "cluster-node-timeout": "2000" };
}

/** Arguments of a setting: an empty value stays one empty argument. */
function words(name: string, value: string): string[] {
  return name === "replicaof" || name === "user" ? value.split(" ") : [value];
}
