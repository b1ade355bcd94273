/**
 * The redis ledger as a conformance suite sees it: PostgreSQL, a Redis, and the production classes between them.
 *
 * The suites state what holds, not how long news takes to travel. So this fixture lets news arrive before it answers: a
 * new sale is conducted into redis mode, an acceptance is awaited until it is an order, and after every change in
 * PostgreSQL the conductor makes one pass. Nothing is decided here: the verdicts are the ledger's own.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createSystemRandom } from "../../src/adapters/local/system-random.ts";
import { readDeploymentId } from "../../src/adapters/postgres/deployment-id.ts";
import { PostgresBooks } from "../../src/adapters/postgres/postgres-books.ts";
import { createRedisBucketStore } from "../../src/adapters/redis/redis-bucket-store.ts";
import { RedisCommitFeed } from "../../src/adapters/redis/redis-commit-feed.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { saleStateAt } from "../../src/domain/sale.ts";
import { BucketLedger } from "../../src/ledger/bucket-ledger.ts";
import { Conductor } from "../../src/ledger/conductor.ts";
import { Relay } from "../../src/ledger/relay.ts";
import { RelayingOrderStore } from "../../src/ledger/relaying-order-store.ts";
import { RelayingSaleStore } from "../../src/ledger/relaying-sale-store.ts";
import { CommitWorker } from "../../src/orders/commit-worker.ts";
import type { Books } from "../../src/ports/books.ts";
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import type { AttemptOutcome, BatchOutcome, Ledger, ReserveBatch } from "../../src/ports/ledger.ts";
import type { OrderStore } from "../../src/ports/order-store.ts";
import type { SaleDirectory } from "../../src/ports/sale-directory.ts";
import type { SaleStore } from "../../src/ports/sale-store.ts";
import { RedisServer } from "../support/redis-server.ts";
import { waitUntil } from "../support/waiting.ts";
import { type LedgerFixture, openPostgresFixture, present, silentLog } from "./ledger-fixture.ts";

const ANSWER_TIMEOUT_MS = 5_000;
/** Long: a suite that sees a 202 has found something. */
const ACK_WAIT_MS = 10_000;
/** Sales that are conducted: those a test works with. Older ones stay as they are. */
const SALES_FOLLOWED = 2;

/** What a test of redis mode needs beyond the suites. */
export interface RedisFixture extends LedgerFixture {
  readonly url: string;
  readonly server: RedisServer;
  readonly store: BucketStore;
  readonly books: Books;
  readonly conductor: Conductor;
  readonly worker: CommitWorker;
  readonly directory: FollowedSales;
  /** The sale in the mode, when the conductor has brought it there. */
  reachMode(saleId: SaleId, mode: Sale["mode"]): Promise<Sale>;
}

/** The newest sales, read when asked. */
class FollowedSales implements SaleDirectory {
  readonly #store: SaleStore;
  readonly #listeners = new Set<() => void>();
  readonly #ids: SaleId[] = [];
  #sales: readonly Sale[] = [];

  constructor(store: SaleStore) {
    this.#store = store;
  }

  async follow(saleId: SaleId): Promise<void> {
    this.#ids.unshift(saleId);
    this.#ids.splice(SALES_FOLLOWED);
    await this.refresh();
  }

  findSale(saleId: string): Sale | null {
    return this.#sales.find((sale) => sale.id === saleId) ?? null;
  }

  listSales(): readonly Sale[] {
    return this.#sales;
  }

  async refresh(): Promise<void> {
    const sales = await Promise.all(this.#ids.map((id) => this.#store.findSale(id)));
    this.#sales = sales.filter((sale) => sale !== null);
    for (const listener of [...this.#listeners]) listener();
  }

  onRefresh(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** Postgres or the buckets, as the sale's mode says, without any waiting for another mode. */
class DirectLedger implements Ledger {
  readonly #parts: { readonly postgres: Ledger; readonly buckets: BucketLedger; readonly sales: SaleDirectory };

  constructor(parts: { postgres: Ledger; buckets: BucketLedger; sales: SaleDirectory }) {
    this.#parts = parts;
  }

  /** As stage 7 answers it: an acceptance is what its commit made of it. */
  async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    const answer = await this.#of(batch.saleId).reserve(batch);
    const outcomes = await Promise.all(
      answer.outcomes.map(async (outcome) => {
        if (outcome.kind !== "accepted" || outcome.confirmation === undefined) return outcome;
        const confirmed = await outcome.confirmation;
        if (confirmed === null) return outcome;
        const { status, holdUntil } = confirmed;
        return { kind: "accepted", status, holdUntil, replayed: outcome.replayed } satisfies AttemptOutcome;
      }),
    );
    return { ...answer, outcomes };
  }

  async readStock(itemIds: readonly number[]): ReturnType<Ledger["readStock"]> {
    const rows = await Promise.all(itemIds.map((itemId) => this.#ofItem(itemId).readStock([itemId])));
    return rows.flat();
  }

  readHolders(request: { itemId: number; cursor: string; rowsMax: number }): ReturnType<Ledger["readHolders"]> {
    return this.#ofItem(request.itemId).readHolders(request);
  }

  findQueued(request: Parameters<Ledger["findQueued"]>[0]): ReturnType<Ledger["findQueued"]> {
    return this.#parts.buckets.findQueued(request);
  }

  #of(saleId: string): Ledger {
    const { postgres, buckets, sales } = this.#parts;
    const mode = sales.findSale(saleId)?.mode ?? "postgres";
    return mode === "postgres" ? postgres : buckets;
  }

  #ofItem(itemId: number): Ledger {
    const sale = this.#parts.sales.listSales().find((each) => each.items.some((item) => item.itemId === itemId));
    return this.#of(sale?.id ?? "");
  }
}

/** A fixture whose sales have so many buckets an item. */
export async function openRedisFixture(options: { buckets?: number } = {}): Promise<RedisFixture> {
  const postgres = await openPostgresFixture();
  const server = await RedisServer.start();
  const clock = createSystemClock();
  const random = createSystemRandom();
  const common = { clock, random, log: silentLog };
  const redis = { urls: [server.url] as const, deployment: await readDeploymentId(postgres.database) };
  const store = createRedisBucketStore({
    ...redis,
    ...common,
    durability: "always",
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
  });
  await store.warmUp();
  const commits = new RedisCommitFeed({ ...redis, log: silentLog });
  await commits.start();
  const books = new PostgresBooks(postgres.database);
  const directory = new FollowedSales(postgres.sales);
  const relay = new Relay({ ...common, store, books });
  const ours = { ...common, store, books, commits, sales: directory, relay };
  const buckets = new BucketLedger({
    ...ours,
    postgres: postgres.ledger,
    orders: postgres.orders,
    nodeId: "node",
    ackWaitMs: ACK_WAIT_MS,
  });
  const worker = new CommitWorker({ ...ours, consumerId: "worker" });
  const leadership = { isHeld: true };
  const conductor = new Conductor({ ...ours, leadership, drain: (sale) => worker.drain(sale), dwellMs: 0 });
  buckets.start();
  worker.start();

  /** What Postgres decided has reached the buckets, and the other way round. */
  async function settle(): Promise<void> {
    await directory.refresh();
    await conductor.runOnce();
  }
  async function reachMode(saleId: SaleId, mode: Sale["mode"]): Promise<Sale> {
    await waitUntil(`the sale to be in ${mode} mode`, async () => {
      await settle();
      return directory.findSale(saleId)?.mode === mode;
    });
    return present(directory.findSale(saleId));
  }

  const late = new RelayingOrderStore({ store: postgres.orders, relay, sales: directory, log: silentLog });
  const sales = new RelayingSaleStore({ store: postgres.sales, relay, log: silentLog });
  return {
    ...postgres,
    server,
    store,
    books,
    conductor,
    worker,
    directory,
    reachMode,
    ledger: new DirectLedger({ postgres: postgres.ledger, buckets, sales: directory }),
    orders: settlingOrders(late, settle),
    sales: settlingSales(sales, settle, async (sale) => {
      const split = { ...sale, buckets: options.buckets ?? sale.buckets };
      const { id } = await postgres.sales.createSale(split);
      await directory.follow(id);
      const made = present(directory.findSale(id));
      return saleStateAt(made, clock.nowMs()) === "closed" ? made : reachMode(id, "redis");
    }),
    fence: async (sale) => {
      const seenEpoch = present(directory.findSale(sale.id)).epoch;
      await worker.drain(present(directory.findSale(sale.id)));
      await books.fence({ saleId: sale.id, seenEpoch, mode: "postgres", reason: "a test" });
      // A history may flip more often than a sale may.
      await postgres.database.query({ text: "UPDATE sale SET flips = 0 WHERE id = $1" }, [sale.id]);
      return reachMode(sale.id, "redis");
    },
    stopSelling: async (sale) => {
      await books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "redis", to: "draining", reason: "a test" });
      for (const { itemId } of sale.items) {
        for (let bucket = 0; bucket < sale.buckets; bucket += 1) {
          await store.setGate({ itemId, bucket, epoch: sale.epoch, isOpen: false });
        }
      }
      await directory.refresh();
    },
    async close() {
      await conductor.stop();
      await Promise.all([worker.stop(), buckets.stop()]);
      await commits.stop();
      await store.close();
      await postgres.close();
      await server.stop();
    },
  };
}

/** Every move is followed by a pass, so that the buckets know of it when the suite asks them. */
function settlingOrders(orders: OrderStore, settle: () => Promise<void>): OrderStore {
  const after = async <Answer>(move: Promise<Answer>): Promise<Answer> => {
    const answer = await move;
    await settle();
    return answer;
  };
  return {
    findOrder: (rid) => orders.findOrder(rid),
    findOrderOfPayment: (paymentId) => orders.findOrderOfPayment(paymentId),
    listOrdersOfBuyer: (request) => orders.listOrdersOfBuyer(request),
    listOrdersByRid: (rids) => orders.listOrdersByRid(rids),
    listOrdersOfSale: (request) => orders.listOrdersOfSale(request),
    attachPayment: (request) => orders.attachPayment(request),
    cancelHold: (request) => after(orders.cancelHold(request)),
    beginExpiry: (request) => orders.beginExpiry(request),
    finishEnding: (rids) => after(orders.finishEnding(rids)),
    settlePayment: (request) => after(orders.settlePayment(request)),
    takeRefundsDue: (request) => orders.takeRefundsDue(request),
    completeRefund: (rid) => orders.completeRefund(rid),
  };
}

function settlingSales(sales: SaleStore, settle: () => Promise<void>, createSale: SaleStore["createSale"]): SaleStore {
  const after = async <Answer>(move: Promise<Answer>): Promise<Answer> => {
    const answer = await move;
    await settle();
    return answer;
  };
  return {
    createSale,
    findSale: (saleId) => sales.findSale(saleId),
    listSales: (request) => sales.listSales(request),
    patchSale: (saleId, patch) => after(sales.patchSale(saleId, patch)),
    commandSale: (saleId, command) => after(sales.commandSale(saleId, command)),
    adjustStock: (request) => after(sales.adjustStock(request)),
    changePrice: (request) => after(sales.changePrice(request)),
    salesVersion: () => sales.salesVersion(),
    createBan: (ban) => sales.createBan(ban),
    listBans: () => sales.listBans(),
    banRevision: () => sales.banRevision(),
    deleteBan: (id) => sales.deleteBan(id),
  };
}
