/**
 * What a conformance suite needs of an adapter: a migrated, empty database and the ports over it.
 *
 * Runs under `bun test` and under `node --test`: the suites use node:test and node:assert only.
 */
import { createPostgresDatabase } from "../../src/adapters/postgres/database.ts";
import { migrate, readMigrations } from "../../src/adapters/postgres/migrate.ts";
import { PostgresEventLog } from "../../src/adapters/postgres/postgres-event-log.ts";
import { PostgresLedger } from "../../src/adapters/postgres/postgres-ledger.ts";
import { PostgresOrderStore } from "../../src/adapters/postgres/postgres-order-store.ts";
import { PostgresSaleStore } from "../../src/adapters/postgres/postgres-sale-store.ts";
import {
  type BuyerId,
  deriveRid,
  parseBuyerId,
  parseSaleId,
  parseSku,
  type Rid,
  type SaleId,
} from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Database } from "../../src/ports/database.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { OrderStore } from "../../src/ports/order-store.ts";
import type { SaleStore } from "../../src/ports/sale-store.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { openEmbeddedDatabase } from "../support/embedded-database.ts";
import { PostgresCluster } from "../support/postgres-cluster.ts";

const ANSWER_TIMEOUT_MS = 20_000;

/** A log that drops everything: suites judge answers, not lines. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** In what ledgers may differ; everything else they promise alike. */
export interface LedgerTraits {
  /** All attempts on an item are decided in one order. False: each of its buckets has an order of its own. */
  readonly isOneQueue: boolean;
  /**
   * A key that was used for another item of the sale is refused at once. False: a bucket knows the keys of its own item
   * only, so the attempt ends at its commit instead, and its unit comes home.
   */
  readonly seesKeysOfAllItems: boolean;
  /** Whoever reads all holders is given each once. False: those of the running epoch may come twice. */
  readonly readsHoldersOnce: boolean;
}

export const POSTGRES_TRAITS: LedgerTraits = { isOneQueue: true, seesKeysOfAllItems: true, readsHoldersOnce: true };

export interface LedgerFixture {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly orders: OrderStore;
  readonly sales: SaleStore;
  readonly events: PostgresEventLog;
  /** Ends the epoch and begins a later one, in which the sale sells again; answers the sale as it is then. */
  fence(sale: Sale): Promise<Sale>;
  /** Puts the sale into a mode in which this ledger does not sell. */
  stopSelling(sale: Sale): Promise<void>;
  close(): Promise<void>;
}

async function overDatabase(database: Database, close: () => Promise<void>): Promise<LedgerFixture> {
  await migrate(database, await readMigrations());
  const sales = new PostgresSaleStore(database);
  return {
    database,
    ledger: new PostgresLedger(database),
    orders: new PostgresOrderStore(database),
    sales,
    events: new PostgresEventLog(database),
    async fence(sale) {
      const seenEpoch = present(await sales.findSale(sale.id)).epoch;
      const statement = { text: "SELECT fence_sale($1, $2, 'postgres') AS done" };
      const [fenced] = await database.query<{ done: boolean }>(statement, [sale.id, seenEpoch]);
      if (fenced?.done !== true) throw new Error("the sale could not be fenced");
      return present(await sales.findSale(sale.id));
    },
    async stopSelling(sale) {
      await database.query({ text: "UPDATE sale SET mode = 'redis' WHERE id = $1" }, [sale.id]);
    },
    close,
  };
}

/** The embedded database, in a folder of its own. */
export async function openPgliteFixture(): Promise<LedgerFixture> {
  const database = await openEmbeddedDatabase({ answerTimeoutMs: ANSWER_TIMEOUT_MS, log: silentLog });
  return overDatabase(database, () => database.close());
}

/** A real PostgreSQL of its own. */
export async function openPostgresFixture(): Promise<LedgerFixture & { readonly url: string }> {
  const cluster = await PostgresCluster.start();
  const url = await cluster.createDatabase();
  const database = connect(url, 8);
  const fixture = await overDatabase(database, async () => {
    await database.close();
    await cluster.stop();
  });
  return { ...fixture, url };
}

/** A pool of its own on a database that a fixture made: what another process would have. */
export function connect(url: string, connectionsMax: number): Database {
  return createPostgresDatabase({
    url,
    connectionsMax,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    applicationName: "conformance",
    log: silentLog,
  });
}

let saleCount = 0;

/** Creates a sale that is open now, with one item per stock figure. */
export async function openSale(
  fixture: LedgerFixture,
  options: {
    stocks: readonly number[];
    perBuyerMax?: number;
    holdMs?: number;
    opensAt?: number;
    closesAt?: number;
    buckets?: number;
  },
): Promise<Sale> {
  const perBuyerMax = options.perBuyerMax ?? 2;
  return fixture.sales.createSale({
    id: saleIdOf(`sale-${++saleCount}`),
    name: "A sale",
    description: null,
    imageUrl: null,
    opensAt: options.opensAt ?? 0,
    closesAt: options.closesAt ?? 9_000_000_000_000,
    holdMs: options.holdMs ?? 600_000,
    perBuyerMax,
    challenge: "none",
    signature: "optional",
    eligibility: {},
    buckets: options.buckets ?? 1,
    items: options.stocks.map((stock, index) => ({
      sku: present(parseSku(`sku-${index}`)),
      name: `Item ${index}`,
      price: { amount: 1_000, currency: "EUR" },
      stock,
      perBuyerMax,
    })),
  });
}

export function saleIdOf(text: string): SaleId {
  return present(parseSaleId(text));
}

export function buyerOf(text: string | number): BuyerId {
  return present(parseBuyerId(`buyer-${text}`));
}

/** The rid that a buyer's key gives in a sale. */
export function ridOf(sale: Sale, buyerId: BuyerId, key: string): Rid {
  return deriveRid({ buyerId, saleId: sale.id, idempotencyKey: key.padEnd(8, "_") });
}

/** The item id at a position of a sale. */
export function itemIdOf(sale: Sale, index = 0): number {
  return present(sale.items[index]).itemId;
}

/** Narrows away null and undefined; a test that gets here without a value is wrong. */
export function present<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error("a value was expected here");
  return value;
}
