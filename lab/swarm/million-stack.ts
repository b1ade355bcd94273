/**
 * The deployment of the million: PostgreSQL, Redis that syncs every write, nodes for buyers, a worker. No proxy in front.
 *
 * Everything is durable as in production, on free loopback ports and in temporary folders, and ended by process id. The
 * limits are the defaults: every buyer has an address of his own, told by the generator as a proxy would tell it.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../src/ports/clock.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { RedisServer } from "../../test/support/redis-server.ts";
import { ShopNode } from "../stack/shop-node.ts";
import type { WatchedProcess } from "./generator/processor-watch.ts";

export type LedgerMode = "postgres" | "redis";

export interface MillionStackOptions {
  readonly mode: LedgerMode;
  readonly apiNodes: number;
  readonly clock: Clock;
  /** More settings of the nodes. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A running deployment. */
export class MillionStack {
  readonly secret: string;
  readonly adminToken: string;
  readonly apiNodes: readonly ShopNode[];
  readonly #worker: ShopNode;
  readonly #postgres: PostgresCluster;
  readonly #redis: RedisServer | null;

  private constructor(parts: {
    secret: string;
    adminToken: string;
    apiNodes: readonly ShopNode[];
    worker: ShopNode;
    postgres: PostgresCluster;
    redis: RedisServer | null;
  }) {
    this.secret = parts.secret;
    this.adminToken = parts.adminToken;
    this.apiNodes = parts.apiNodes;
    this.#worker = parts.worker;
    this.#postgres = parts.postgres;
    this.#redis = parts.redis;
  }

  /** Starts everything; when something fails, nothing is left running. */
  static async start({ mode, apiNodes: count, clock, settings = {} }: MillionStackOptions): Promise<MillionStack> {
    const undo: (() => Promise<unknown>)[] = [];
    try {
      const postgres = await PostgresCluster.start({ isDurable: true });
      undo.push(() => postgres.stop());
      const redis = mode === "redis" ? await RedisServer.start({ appendFsync: "always" }) : null;
      if (redis !== null) undo.push(() => redis.stop());
      const secret = randomBytes(32).toString("base64url");
      const adminToken = randomBytes(24).toString("base64url");
      const common = {
        SECRET: secret,
        ADMIN_TOKEN: adminToken,
        DATABASE_URL: await postgres.createDatabase(),
        TRUSTED_PROXIES: "127.0.0.1/32",
        ...(redis === null ? {} : { REDIS_URL: redis.url }),
        ...settings,
      };
      const spawn = async (name: string, roles: readonly string[]): Promise<ShopNode> => {
        const node = await ShopNode.spawn({ name, roles, settings: common, clock });
        undo.push(() => node.stop());
        return node;
      };
      const worker = await spawn("worker", ["worker", "admin"]);
      const names = Array.from({ length: count }, (_, index) => `api-${index + 1}`);
      const apiNodes = await Promise.all(names.map((name) => spawn(name, ["api"])));
      await Promise.all([...apiNodes, worker].map((node) => node.untilReady()));
      return new MillionStack({ secret, adminToken, apiNodes, worker, postgres, redis });
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
  }

  get adminAddress(): string {
    return this.#worker.adminAddress;
  }

  get targets(): readonly { hostname: string; port: number }[] {
    return this.apiNodes.map(({ buyerPort }) => ({ hostname: "127.0.0.1", port: buyerPort }));
  }

  get watched(): readonly WatchedProcess[] {
    const own = (part: string, pid: number | null, children = false): readonly WatchedProcess[] =>
      pid === null ? [] : [{ part, pid, children }];
    return [
      ...this.apiNodes.flatMap(({ name, pid }) => own(name, pid)),
      ...own("worker", this.#worker.pid),
      ...own("postgres", this.#postgres.pid, true),
      ...own("redis", this.#redis?.pid ?? null),
    ];
  }

  /** What the nodes printed, for when something went wrong. */
  get output(): string {
    return [...this.apiNodes, this.#worker].map(({ name, output }) => `── ${name}\n${output.slice(-4_000)}`).join("\n");
  }

  async stop(): Promise<void> {
    await Promise.all([...this.apiNodes, this.#worker].map((node) => node.stop()));
    await Promise.all([this.#postgres.stop(), this.#redis?.stop()]);
  }
}
