/**
 * The redis ledger of a process: buckets, the relay to them, and on workers what commits and conducts.
 *
 * Exists only where REDIS_URL is set. A Redis that cannot be reached does not keep a node from starting, because every
 * sale can be sold from PostgreSQL; one that answers and may forget what it promised does (LEDGER_UNSAFE).
 */
import { readDeploymentId } from "../adapters/postgres/deployment-id.ts";
import { PostgresBooks } from "../adapters/postgres/postgres-books.ts";
import { createPostgresLeadership } from "../adapters/postgres/postgres-leadership.ts";
import type { PostgresLedger } from "../adapters/postgres/postgres-ledger.ts";
import { createRedisBucketStore } from "../adapters/redis/redis-bucket-store.ts";
import { RedisCommitFeed } from "../adapters/redis/redis-commit-feed.ts";
import type { Config } from "../config/load.ts";
import { Fault, isFault } from "../domain/faults.ts";
import { BucketLedger } from "../ledger/bucket-ledger.ts";
import { Conductor } from "../ledger/conductor.ts";
import { createNodeReporter } from "../ledger/node-reporter.ts";
import { Relay } from "../ledger/relay.ts";
import { CommitWorker } from "../orders/commit-worker.ts";
import { createLoop, type Loop } from "../orders/loop.ts";
import type { Books } from "../ports/books.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";

/** One call without an answer after this is unknown. */
const ANSWER_MS_MAX = 500;
/** How often a node without traffic asks Redis whether it is there. */
const PULSE_INTERVAL_MS = 400;
/** Without any answer for this long a node says that it does not reach Redis. */
const SILENCE_MS_MAX = 1_200;

/** What a process does with the redis ledger. */
export interface RedisSide {
  readonly store: BucketStore;
  readonly books: Books;
  readonly relay: Relay;
  readonly ledger: BucketLedger;
  /** Names this process among all of the deployment; new at each start. */
  readonly nodeId: string;
  /** Connects what can be connected; a Redis that is away is waited for in the background. Throws LEDGER_UNSAFE. */
  start(roles: readonly string[]): Promise<void>;
  /** Commits, relays and, when it is this process's turn, conducts. */
  startWork(): void;
  /** Rows that were accepted and wait for this worker's commits. */
  backlog(): number;
  /** Ends it; leased units go back. The database is still open. */
  stop(): Promise<void>;
}

export interface RedisSideParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly database: Database;
  readonly postgres: PostgresLedger;
  readonly orders: OrderStore;
  readonly sales: SaleDirectory;
}

/** Null where REDIS_URL is not set. Throws the database's faults. */
export async function createRedisSide(parts: RedisSideParts): Promise<RedisSide | null> {
  const { config, clock, random, log, database } = parts;
  if (config.redisUrl === null) return null;
  const deployment = await readDeploymentId(database);
  const store = createRedisBucketStore({
    urls: config.redisUrl,
    deployment,
    durability: config.ledgerDurability,
    answerTimeoutMs: ANSWER_MS_MAX,
    clock,
    log,
  });
  const commits = new RedisCommitFeed({ urls: config.redisUrl, deployment, log });
  const books = new PostgresBooks(database);
  const relay = new Relay({ store, books, clock, random, log });
  const nodeId = random.id();
  const { postgres, orders, sales } = parts;
  const { ackWaitMs } = config;
  const common = { store, books, clock, random, log };
  const ledger = new BucketLedger({ ...common, postgres, orders, relay, commits, sales, nodeId, ackWaitMs });
  const worker = new CommitWorker({ ...common, commits, sales, consumerId: nodeId });
  const leadership = createPostgresLeadership({ url: config.databaseUrl ?? "", name: "conductor", nodeId, clock, log });
  const conductor = new Conductor({
    ...common,
    relay,
    sales,
    leadership,
    drain: (sale) => worker.drain(sale),
    dwellMs: config.ledgerDwellMs,
  });
  const pulse = createPulse({ store, clock, random, log });
  const canReachRedis = (): boolean => Math.min(pulse.ageMs(), ledger.lastAnswerAgeMs()) < SILENCE_MS_MAX;
  const running: { stop(): Promise<void> }[] = [];
  return {
    store,
    books,
    relay,
    ledger,
    nodeId,
    backlog: () => worker.backlog(),
    async start(roles) {
      await Promise.all([connect(store, log), commits.start()]);
      const reporter = createNodeReporter({ books, nodeId, roles, canReachRedis, clock, random, log });
      pulse.loop.start();
      reporter.start();
      ledger.start();
      running.push(pulse.loop, reporter, ledger);
    },
    startWork() {
      leadership.start();
      worker.start();
      conductor.start();
      running.push(leadership, worker, conductor);
    },
    async stop() {
      for (const part of running.reverse()) await part.stop();
      await commits.stop();
      await store.close();
    },
  };
}

/** Throws LEDGER_UNSAFE for a Redis that answers and may forget; one that does not answer comes later. */
async function connect(store: BucketStore, log: Log): Promise<void> {
  try {
    await store.warmUp();
    const { unsafe } = await store.health();
    if (unsafe !== null) throw new Fault("LEDGER_UNSAFE", { internal: unsafe });
  } catch (error) {
    if (!isFault(error, "LEDGER_UNAVAILABLE")) throw error;
    log.warn({ error }, "Redis does not answer; sales are sold from PostgreSQL until it does");
  }
}

/** Asks Redis now and then, so that a node without buyers knows whether it is there. */
function createPulse(parts: { store: BucketStore; clock: Clock; random: Random; log: Log }): {
  loop: Loop;
  ageMs: () => number;
} {
  const { store, clock } = parts;
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  const loop = createLoop({
    ...parts,
    name: "redis pulse",
    intervalMs: PULSE_INTERVAL_MS,
    run: async () => {
      const isAnswered = await store.health().then(
        () => true,
        () => false,
      );
      if (isAnswered) answeredAtMs = clock.monotonicMs();
    },
  });
  return { loop, ageMs: () => clock.monotonicMs() - answeredAtMs };
}
