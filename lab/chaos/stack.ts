/**
 * A deployment to be maltreated: Redis in some shape, a durable PostgreSQL, nodes for buyers, workers and an operator, and a
 * fault proxy on every link between them.
 *
 * It is made to last: after each repetition `restore` starts what was killed, thaws what was frozen and heals every link,
 * so that the next sale finds a whole deployment. Everything runs in a temporary folder on loopback ports and is ended by
 * process id. The operator's node is never a victim: somebody has to tell what happened.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/ports/clock.ts";
import { OPEN_LIMITS } from "../../test/support/open-limits.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { SmallDisk } from "../../test/support/small-disk.ts";
import { waitUntil } from "../../test/support/waiting.ts";
import { ShopNode } from "../stack/shop-node.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { RedisSide, type Topology } from "./redis-side.ts";
import { SteppedClock } from "./stepped-clock.ts";

const SHIFTED_CLOCK = fileURLToPath(new URL("./shifted-clock.ts", import.meta.url));
const OUTPUT_CHARACTERS_PER_PROGRAM = 6_000;
const POSTGRES_ANSWERS_WITHIN_MS = 30_000;

/** What a scenario needs to stand on. Stacks of the same shape are interchangeable. */
export interface StackShape {
  readonly topology: Topology;
  readonly durability: "always" | "everysec";
  readonly apiNodes: number;
  readonly workers: number;
  /** Redis with a wall clock that can be stepped. */
  readonly hasRedisClock?: boolean;
  /** A small disk of its own, by its size ("160m"); the common temporary folder when absent. */
  readonly redisDisk?: string;
  readonly postgresDisk?: string;
  /** What the buyers' nodes do besides; default: nothing. */
  readonly apiRoles?: readonly string[];
  /** More settings of every node. */
  readonly settings?: Readonly<Record<string, string>>;
}

export const USUAL_SHAPE: StackShape = { topology: "single", durability: "always", apiNodes: 3, workers: 2 };

/** Short dwells and ramps, so that a repetition sees the way there and back; the rest is the product's own. */
const LAB_SETTINGS = {
  ...OPEN_LIMITS,
  COOL_DOWN_MS_MAX: "0",
  LEDGER_DWELL_MS: "800",
  LEDGER_RAMP_MS: "1000",
  DRAIN_MS: "1000",
  LOG_LEVEL: "info",
};

/** A node with its own links. */
export interface ChaosNode {
  readonly shop: ShopNode;
  readonly name: string;
  readonly databaseLink: FaultProxy;
  readonly redisLinks: readonly FaultProxy[];
  /** Steps the node's wall clock; 0 is the truth. */
  readonly shiftClock: (shiftMs: number) => void;
}

/** See the file comment. */
export class ChaosStack {
  readonly shape: StackShape;
  readonly clock: Clock;
  readonly adminToken: string;
  readonly secret: string;
  readonly databaseUrl: string;
  readonly postgres: PostgresCluster;
  readonly redis: RedisSide;
  readonly apiNodes: readonly ChaosNode[];
  readonly workers: readonly ChaosNode[];
  readonly operator: ChaosNode;
  /** Where payments' pages and notifications go: some living node. */
  readonly front: FaultProxy;
  /** The wall clock of Redis, in a stack that was made for stepping it. */
  readonly redisClock: SteppedClock | null;
  readonly redisDisk: SmallDisk | null;
  readonly postgresDisk: SmallDisk | null;
  readonly folder: string;
  readonly #undo: (() => Promise<void> | void)[];

  private constructor(parts: StackParts) {
    this.shape = parts.shape;
    this.clock = parts.clock;
    this.adminToken = parts.settings.ADMIN_TOKEN;
    this.secret = parts.settings.SECRET;
    this.databaseUrl = parts.databaseUrl;
    this.postgres = parts.postgres;
    this.redis = parts.redis;
    this.apiNodes = parts.apiNodes;
    this.workers = parts.workers;
    this.operator = parts.operator;
    this.front = parts.front;
    this.redisClock = parts.redisClock;
    this.redisDisk = parts.redisDisk;
    this.postgresDisk = parts.postgresDisk;
    this.folder = parts.folder;
    this.#undo = parts.undo;
  }

  /** Starts everything and waits until every node is ready. When something fails, nothing is left running. */
  static async start(options: { shape: StackShape; seed: number; clock: Clock }): Promise<ChaosStack> {
    const undo: (() => Promise<void> | void)[] = [];
    try {
      return new ChaosStack(await build(options, undo));
    } catch (error) {
      await takeDown(undo);
      throw error;
    }
  }

  /** Everybody who may be a victim. */
  get nodes(): readonly ChaosNode[] {
    return [...this.apiNodes, ...this.workers];
  }

  get adminAddress(): string {
    return this.operator.shop.adminAddress;
  }

  /** The real address of the database, past every proxy. */
  async query<Row extends Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return await this.postgres.query<Row>(this.databaseUrl, text, values);
  }

  /** Leads payments' pages and notifications to a node that is alive. */
  leadFront(): void {
    const alive = this.apiNodes.find((node) => node.shop.isRunning);
    if (alive === undefined || alive.shop.buyerPort === this.front.targetPort) return;
    this.front.retarget(alive.shop.buyerPort);
    this.front.cut();
  }

  /** Makes the deployment whole again, whatever was done to it. Answers what had to be repaired, in words. */
  async restore(): Promise<readonly string[]> {
    const repaired: string[] = [];
    this.front.heal();
    this.redisClock?.step(0);
    for (const node of [...this.nodes, this.operator]) {
      node.databaseLink.heal();
      node.databaseLink.tap(null);
      for (const link of node.redisLinks) link.tap(null);
      node.shiftClock(0);
      if (node.shop.isRunning) process.kill(node.shop.pid, "SIGCONT");
    }
    for (const server of this.redis.servers) if (server.isRunning) server.signal("SIGCONT");
    await this.#untilPostgresAnswers(repaired);
    await this.redis.restore();
    for (const node of [...this.nodes, this.operator]) {
      if (node.shop.isRunning) continue;
      repaired.push(`${node.name} was down`);
      await node.shop.restart();
    }
    this.leadFront();
    return repaired;
  }

  /** A server that is about to end because its disk failed it still has a process for a moment. */
  async #untilPostgresAnswers(repaired: string[]): Promise<void> {
    await waitUntil(
      "PostgreSQL to answer",
      async () => {
        if (!this.postgres.isRunning) {
          repaired.push("PostgreSQL was down");
          await this.postgres.startServer();
        }
        return (await this.query("select 1 as one")).length === 1;
      },
      { withinMs: POSTGRES_ANSWERS_WITHIN_MS, everyMs: 50 },
    );
  }

  /** The end of what each program printed, for when something went wrong. */
  get output(): string {
    const nodes = [...this.nodes, this.operator].map(({ name, shop }) => ({ name, output: shop.output }));
    const servers = this.redis.servers.map(({ name, output }) => ({ name, output }));
    return [...nodes, ...servers]
      .map(({ name, output }) => `── ${name}\n${output.slice(-OUTPUT_CHARACTERS_PER_PROGRAM)}`)
      .join("\n");
  }

  async stop(): Promise<void> {
    await takeDown(this.#undo);
  }
}

interface StackParts {
  readonly shape: StackShape;
  readonly clock: Clock;
  readonly settings: { readonly ADMIN_TOKEN: string; readonly SECRET: string };
  readonly databaseUrl: string;
  readonly postgres: PostgresCluster;
  readonly redis: RedisSide;
  readonly apiNodes: readonly ChaosNode[];
  readonly workers: readonly ChaosNode[];
  readonly operator: ChaosNode;
  readonly front: FaultProxy;
  /** The wall clock of Redis, in a stack that was made for stepping it. */
  readonly redisClock: SteppedClock | null;
  readonly redisDisk: SmallDisk | null;
  readonly postgresDisk: SmallDisk | null;
  readonly folder: string;
  readonly undo: (() => Promise<void> | void)[];
}

async function build(
  options: { shape: StackShape; seed: number; clock: Clock },
  undo: (() => Promise<void> | void)[],
): Promise<StackParts> {
  const { shape, seed, clock } = options;
  const folder = mkdtempSync(join(tmpdir(), "doorbuster-chaos-"));
  chmodSync(folder, 0o700);
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const postgresDisk = makeDisk(shape.postgresDisk, undo);
  const redisDisk = makeDisk(shape.redisDisk, undo);
  const redisClock = shape.hasRedisClock === true ? new SteppedClock(folder) : null;
  const postgres = await PostgresCluster.start({
    isDurable: true,
    ...(postgresDisk === null ? {} : { parentFolder: postgresDisk.folder }),
  });
  undo.push(() => postgres.stop());
  const databaseUrl = await postgres.createDatabase();
  const redis = await RedisSide.start({
    topology: shape.topology,
    durability: shape.durability,
    folder: redisDisk?.folder ?? folder,
    seed,
    clock,
    env: redisClock?.env ?? {},
  });
  undo.push(() => redis.stop());
  const front = await FaultProxy.start({ name: "front", target: { port: 0 }, seed });
  undo.push(() => front.stop());
  const settings = {
    ADMIN_TOKEN: randomBytes(24).toString("base64url"),
    SECRET: randomBytes(32).toString("base64url"),
    PUBLIC_URL: `http://127.0.0.1:${front.port}`,
    TRUSTED_PROXIES: "127.0.0.1/32",
    ...(shape.topology === "none" ? {} : { LEDGER_DURABILITY: shape.durability }),
    ...LAB_SETTINGS,
    ...shape.settings,
  };
  const spawn = (name: string, roles: readonly string[]): Promise<ChaosNode> =>
    spawnNode({ name, roles, settings, databaseUrl, redis, seed, clock, folder }, undo);
  // The first node migrates the database; the others find it done.
  const operator = await spawn("operator", ["admin"]);
  await operator.shop.untilReady();
  const apiNodes = await Promise.all(
    names("api", shape.apiNodes).map((name) => spawn(name, ["api", ...(shape.apiRoles ?? [])])),
  );
  const workers = await Promise.all(names("worker", shape.workers).map((name) => spawn(name, ["worker"])));
  await Promise.all([...apiNodes, ...workers].map((node) => node.shop.untilReady()));
  front.retarget(apiNodes[0]?.shop.buyerPort ?? 0);
  const extras = { redisDisk, postgresDisk, redisClock };
  return {
    shape,
    clock,
    settings,
    databaseUrl,
    postgres,
    redis,
    apiNodes,
    workers,
    operator,
    front,
    folder,
    undo,
    ...extras,
  };
}

interface NodeParts {
  readonly name: string;
  readonly roles: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
  readonly redis: RedisSide;
  readonly seed: number;
  readonly clock: Clock;
  readonly folder: string;
}

async function spawnNode(parts: NodeParts, undo: (() => Promise<void> | void)[]): Promise<ChaosNode> {
  const { name, roles, clock, redis } = parts;
  const url = new URL(parts.databaseUrl);
  const databaseLink = await FaultProxy.start({
    name: `${name}→postgres`,
    target: { port: Number(url.port) },
    seed: parts.seed,
  });
  undo.push(() => databaseLink.stop());
  url.port = String(databaseLink.port);
  const redisUrl = await redis.urlFor(name);
  const clockFile = join(parts.folder, `${name}.clock`);
  const isBun = process.versions["bun"] !== undefined;
  const settings = {
    ...parts.settings,
    DATABASE_URL: url.href,
    ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
    CLOCK_SHIFT_FILE: clockFile,
    [isBun ? "BUN_OPTIONS" : "NODE_OPTIONS"]: `${isBun ? "--preload" : "--import"} ${SHIFTED_CLOCK}`,
  };
  const shop = await ShopNode.spawn({ name, roles, settings, clock });
  undo.push(async () => {
    if (shop.isRunning) process.kill(shop.pid, "SIGCONT");
    await shop.kill();
  });
  const shiftClock = (shiftMs: number): void => writeFileSync(clockFile, String(shiftMs));
  return { shop, name, databaseLink, redisLinks: redis.linksOf(name), shiftClock };
}

function makeDisk(size: string | undefined, undo: (() => Promise<void> | void)[]): SmallDisk | null {
  if (size === undefined) return null;
  const disk = new SmallDisk(size);
  undo.push(() => disk.remove());
  return disk;
}

function names(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${index + 1}`);
}

/** Every step is taken, also when one fails: nothing may be left running. Throws the first failure. */
async function takeDown(undo: (() => Promise<void> | void)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
