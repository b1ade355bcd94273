/**
 * A durable PostgreSQL with sales in redis mode, and acceptances as the commit worker would read them.
 */
import { createHash } from "node:crypto";
import { createPostgresDatabase } from "../../src/adapters/postgres/database.ts";
import { migrate, readMigrations } from "../../src/adapters/postgres/migrate.ts";
import { PostgresBooks } from "../../src/adapters/postgres/postgres-books.ts";
import { PostgresSaleStore } from "../../src/adapters/postgres/postgres-sale-store.ts";
import type { SaleId, Sku } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { CommitBatch, CommitRow } from "../../src/ports/books.ts";
import type { Database } from "../../src/ports/database.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { NO_LOG } from "./bucket-load.ts";

export const ROWS_PER_BATCH = 500;
export const HOLD_MS = 600_000;
const ANSWER_TIMEOUT_MS = 20_000;

/** Where acceptances come from and the sale they belong to. */
export interface OpenedSale {
  readonly sale: Sale;
  readonly address: Omit<CommitBatch, "rows">;
}

export class CommitScene {
  readonly cluster: PostgresCluster;
  readonly database: Database;
  readonly books: PostgresBooks;
  #sales = 0;

  private constructor(cluster: PostgresCluster, database: Database) {
    this.cluster = cluster;
    this.database = database;
    this.books = new PostgresBooks(database);
  }

  /** Starts the server for the work and stops it after. */
  static async during<Result>(connectionsMax: number, work: (scene: CommitScene) => Promise<Result>): Promise<Result> {
    const cluster = await PostgresCluster.start({ isDurable: true });
    try {
      const database = createPostgresDatabase({
        url: await cluster.createDatabase(),
        connectionsMax,
        answerTimeoutMs: ANSWER_TIMEOUT_MS,
        applicationName: "bench",
        log: NO_LOG,
      });
      await migrate(database, await readMigrations());
      const result = await work(new CommitScene(cluster, database));
      await database.close();
      return result;
    } finally {
      await cluster.stop();
    }
  }

  /** A sale in redis mode whose only item has all its units lent to its only bucket. */
  async openSale(units: number): Promise<OpenedSale> {
    this.#sales += 1;
    const created = await new PostgresSaleStore(this.database).createSale({
      id: `bench-${this.#sales}` as SaleId,
      ...{ name: "Bench", description: null, imageUrl: null, opensAt: 0, closesAt: 9_000_000_000_000, holdMs: HOLD_MS },
      ...{ perBuyerMax: 2, challenge: "none", signature: "optional", eligibility: {}, buckets: 1 },
      items: [
        { sku: "seat" as Sku, name: "Seat", price: { amount: 4_900, currency: "EUR" }, stock: units, perBuyerMax: 2 },
      ],
    });
    const address = { saleId: created.id, itemId: created.items[0]?.itemId ?? 0, bucket: 0, epoch: created.epoch + 1 };
    const { saleId, epoch } = address;
    await this.books.fence({ saleId, seenEpoch: created.epoch, mode: "warming", reason: "bench" });
    const grant = await this.books.placeGrant({ ...address, grantId: `bench-${this.#sales}`, units });
    await this.books.settleGrant({ grantId: grant?.grantId ?? "", movedUnits: units });
    await this.books.changeMode({ saleId, epoch, from: "warming", to: "redis", reason: "bench" });
    return { sale: { ...created, mode: "redis", epoch }, address };
  }
}

/** Acceptances 1 to `count` in batches, each row a buyer of its own. */
export function batchesOf(address: Omit<CommitBatch, "rows">, count: number): CommitBatch[] {
  const batches: CommitBatch[] = [];
  for (let first = 1; first <= count; first += ROWS_PER_BATCH) {
    const rows = Array.from({ length: ROWS_PER_BATCH }, (_, index) => rowOf(address, first + index));
    batches.push({ ...address, rows });
  }
  return batches;
}

/** Ids as long and as random as real ones: their order in the indexes is what a commit costs. */
function rowOf({ saleId }: { saleId: string }, seq: number): CommitRow {
  const digest = createHash("sha256").update(`${saleId}-${seq}`).digest("base64url");
  return { seq, rid: digest.slice(0, 28), buyerId: `b-${digest.slice(-22)}`, quantity: 1, promisedUntil: 0 };
}
