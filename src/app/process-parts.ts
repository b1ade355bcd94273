/**
 * What every node has, whatever its roles: time, chance, log, counters, storage and the hints of change.
 */
import { createFunnelCounters } from "../adapters/local/funnel-counters.ts";
import { createLog, type ProcessLog } from "../adapters/local/log.ts";
import { createStatsReporter, type StatsReporter } from "../adapters/local/stats-reporter.ts";
import { createSystemClock } from "../adapters/local/system-clock.ts";
import { createSystemRandom } from "../adapters/local/system-random.ts";
import { joinDeployment } from "../adapters/postgres/deployment-keys.ts";
import { PostgresChangeFeed } from "../adapters/postgres/postgres-change-feed.ts";
import type { Config } from "../config/load.ts";
import { Catalogue } from "../funnel/2-window/catalogue.ts";
import { deriveKeys, type Keys } from "../funnel/3-identity/keys.ts";
import type { AsnTable } from "../funnel/4-throttle/asn-table.ts";
import type { Durability } from "../ledger/ledger-view.ts";
import { RelayingOrderStore } from "../ledger/relaying-order-store.ts";
import { RelayingSaleStore } from "../ledger/relaying-sale-store.ts";
import { RoutedLedger } from "../ledger/routed-ledger.ts";
import type { Clock } from "../ports/clock.ts";
import type { FunnelCountsReader } from "../ports/funnel-counts.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { SaleStore } from "../ports/sale-store.ts";
import type { FunnelTelemetry } from "../ports/telemetry.ts";
import { readAsns } from "./asn-file.ts";
import { createEdgeSide, type EdgeSide } from "./edge-side.ts";
import { knownSecrets } from "./known-secrets.ts";
import { createRedisSide, type RedisSide } from "./redis-side.ts";
import { createRiskSide, type RiskSide } from "./risk-side.ts";
import { createStores, type OpenDatabase, openDatabase, prepareSchema, type Stores } from "./storage.ts";

export interface ProcessParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ProcessLog;
  readonly counters: FunnelTelemetry & FunnelCountsReader;
  readonly keys: Keys;
  readonly database: OpenDatabase;
  readonly stores: Stores;
  /** Decides about stock, wherever that is done for a sale now. */
  readonly ledger: Ledger;
  /** Sales as operators change them: buckets hear of it at once. */
  readonly sales: SaleStore;
  /** Orders as payments move them: late money finds units in the buckets as well. */
  readonly orders: OrderStore;
  /** Null where REDIS_URL is not set. */
  readonly redis: RedisSide | null;
  /** What Redis promises before it answers; null where REDIS_URL is not set. */
  readonly durability: Durability | null;
  /** Null where EDGE_REDIS_URL is not set. */
  readonly edge: EdgeSide | null;
  /** Null where ASN_FILE is not set. */
  readonly asns: AsnTable | null;
  readonly feed: PostgresChangeFeed;
  readonly catalogue: Catalogue;
  /** What is suspicious about sessions and attempts that come to this process. */
  readonly risk: RiskSide;
  /** Publishes the counters. `backlog` is what waits for the ledger in this process. */
  createReporter(backlog: () => number): StatsReporter;
  /** Ends the edge, the redis ledger, catalogue, feed, database and log, in that order. */
  close(): Promise<void>;
}

/** Opens everything; on failure closes what was opened. Throws the faults of storage. */
export async function openProcessParts(config: Config): Promise<ProcessParts> {
  const clock = createSystemClock();
  const random = createSystemRandom();
  const asns = readAsns(config.asnFile);
  const log = createLog({ level: config.logLevel });
  const database = await openDatabase(config, log);
  try {
    const applied = await prepareSchema(database.general);
    if (applied.length > 0) log.info({ applied }, "schema brought up to date");
    const keys = deriveKeys(config.secret, config.secretPrevious);
    // In solo mode there is no other node to contradict.
    if (config.databaseUrl !== null) await joinDeployment(database.general, await knownSecrets(keys, database.general));
    const stores = createStores(database);
    const feed = new PostgresChangeFeed();
    await feed.start(database.general);
    const counters = createFunnelCounters();
    const { sales, allowlists } = stores;
    const catalogue = new Catalogue({ saleStore: sales, allowlists, feed, clock, random, log });
    const edge = await createEdgeSide({ config, keys, database: database.general, clock, random, log });
    const redis = await createRedisSide({
      config,
      clock,
      random,
      log,
      database: database.ledger,
      postgres: stores.postgres,
      orders: stores.orders,
      sales: catalogue,
    });
    return {
      config,
      clock,
      random,
      log,
      counters,
      keys,
      database,
      stores,
      ledger: new RoutedLedger({ postgres: stores.postgres, redis: redis?.ledger ?? null, sales: catalogue, clock }),
      sales: redis === null ? stores.sales : new RelayingSaleStore({ store: stores.sales, relay: redis.relay, log }),
      orders:
        redis === null
          ? stores.orders
          : new RelayingOrderStore({ store: stores.orders, relay: redis.relay, sales: catalogue, log }),
      redis,
      durability: redis === null ? null : config.ledgerDurability,
      edge,
      asns,
      feed,
      catalogue,
      risk: createRiskSide({ config, clock, random, log, keys, catalogue, bans: stores.bans, asns }),
      createReporter: (backlog) =>
        createStatsReporter({ counts: counters, store: stores.stats, runId: random.id(), backlog, clock, log }),
      async close() {
        await edge?.stop();
        await redis?.stop();
        await catalogue.stop();
        await feed.stop();
        await database.close();
        await log.flush();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
