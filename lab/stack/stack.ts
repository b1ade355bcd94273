/**
 * A whole deployment on this machine: PostgreSQL, Redis, three nodes for buyers, two workers, nginx in front.
 *
 * Real servers in a temporary folder on free loopback ports, durable as in production, so that what is shown on it holds
 * elsewhere. Everything is started together, stopped together and by process id, and nothing is left behind. Who
 * disturbs it, and when, is lab/swarm/disturbances.ts.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/ports/clock.ts";
import { takeFreePort } from "../../test/support/ports.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { Nginx } from "./nginx.ts";
import type { ServerPrograms } from "./programs.ts";
import { ShopNode } from "./shop-node.ts";

const API_NODES = 3;
const OUTPUT_CHARACTERS_PER_PROGRAM = 4_000;

export interface StackOptions {
  readonly programs: ServerPrograms;
  readonly clock: Clock;
  /** More settings of the nodes. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly apiNodes?: number;
}

/** A running deployment. */
export class Stack {
  readonly adminToken: string;
  readonly secret: string;
  readonly databaseUrl: string;
  readonly redis: RedisServer;
  readonly postgres: PostgresCluster;
  readonly apiNodes: readonly ShopNode[];
  readonly workers: readonly ShopNode[];
  readonly nginx: Nginx;
  readonly #folder: string;

  private constructor(parts: {
    folder: string;
    adminToken: string;
    secret: string;
    databaseUrl: string;
    redis: RedisServer;
    postgres: PostgresCluster;
    apiNodes: readonly ShopNode[];
    workers: readonly ShopNode[];
    nginx: Nginx;
  }) {
    this.#folder = parts.folder;
    this.adminToken = parts.adminToken;
    this.secret = parts.secret;
    this.databaseUrl = parts.databaseUrl;
    this.redis = parts.redis;
    this.postgres = parts.postgres;
    this.apiNodes = parts.apiNodes;
    this.workers = parts.workers;
    this.nginx = parts.nginx;
  }

  /** Starts everything and waits until buyers are answered. When something fails, nothing is left running. */
  static async start(options: StackOptions): Promise<Stack> {
    const folder = mkdtempSync(join(tmpdir(), "doorbuster-stack-"));
    chmodSync(folder, 0o700);
    const undo: (() => Promise<void>)[] = [];
    try {
      const stack = await build(options, folder, undo);
      return new Stack({ ...stack, folder });
    } catch (error) {
      for (const step of undo.reverse()) await step();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Where buyers connect. */
  get port(): number {
    return this.nginx.port;
  }

  /** The first worker has the operators' side; it is not among those that are killed. */
  get adminAddress(): string {
    return this.workers[0]?.adminAddress ?? "";
  }

  get pids(): readonly number[] {
    const servers = [this.redis.pid, this.postgres.pid, this.nginx.pid];
    const nodes = [...this.apiNodes, ...this.workers].map((node) => node.pid);
    return [...nodes, ...servers].filter((pid) => pid !== null);
  }

  /** The end of what each program printed, for when something went wrong. */
  get output(): string {
    const programs = [...this.apiNodes, ...this.workers].map(({ name, output }) => ({ name, output }));
    return [...programs, { name: "nginx", output: this.nginx.output }]
      .map(({ name, output }) => `── ${name}\n${output.slice(-OUTPUT_CHARACTERS_PER_PROGRAM)}`)
      .join("\n");
  }

  /** Ends everything, buyers' side first, and removes the folder. */
  async stop(): Promise<void> {
    try {
      await this.nginx.stop();
      await Promise.all([...this.apiNodes, ...this.workers].map((node) => node.stop()));
      await Promise.all([this.redis.stop(), this.postgres.stop()]);
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

async function build(options: StackOptions, folder: string, undo: (() => Promise<void>)[]) {
  const { programs, clock } = options;
  const nginxFolder = join(folder, "nginx");
  mkdirSync(nginxFolder);
  const redis = await RedisServer.start({ program: programs.redis });
  undo.push(() => redis.stop());
  const postgres = await PostgresCluster.start({ isDurable: true });
  undo.push(() => postgres.stop());
  const adminToken = randomBytes(24).toString("base64url");
  const secret = randomBytes(32).toString("base64url");
  const databaseUrl = await postgres.createDatabase();
  const nginxPort = await takeFreePort();
  const settings = {
    ADMIN_TOKEN: adminToken,
    SECRET: secret,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    PUBLIC_URL: `http://127.0.0.1:${nginxPort}`,
    // Every buyer of the crowd has an address of its own, told by the crowd; nginx on loopback passes it on.
    TRUSTED_PROXIES: "127.0.0.1/32",
    ...options.settings,
  };
  const spawn = async (name: string, roles: readonly string[]): Promise<ShopNode> => {
    const node = await ShopNode.spawn({ name, roles, settings, clock });
    undo.push(() => node.stop());
    return node;
  };
  const names = Array.from({ length: options.apiNodes ?? API_NODES }, (_, index) => `api-${index + 1}`);
  const apiNodes = await Promise.all(names.map((name) => spawn(name, ["api"])));
  const workers = [await spawn("worker-1", ["worker", "admin"]), await spawn("worker-2", ["worker"])];
  const nodePorts = apiNodes.map((node) => node.buyerPort);
  const nginx = Nginx.spawn({ program: programs.nginx, port: nginxPort, nodePorts, folder: nginxFolder, clock });
  undo.push(() => nginx.stop());
  await Promise.all([...apiNodes, ...workers].map((node) => node.untilReady()));
  await nginx.untilReady();
  return { adminToken, secret, databaseUrl, redis, postgres, apiNodes, workers, nginx };
}
