/**
 * The redis ledger of a node over models of Redis and Postgres, on a clock that tests move, with a network that they cut.
 *
 * `link` decides what becomes of each call to the buckets; a lost answer is one whose decision stands. `commit` is a worker
 * that does one round when told to; `enterRedis` and `leaveRedis` are what a conductor does, without its doubts.
 */

import { BooksModel } from "../../lab/simulation/model/books-model.ts";
import { BucketModel } from "../../lab/simulation/model/bucket-model.ts";
import { ModelDirectory, modelItem, modelSale, salesOf } from "../../lab/simulation/model/model-sale.ts";
import { Fault } from "../../src/domain/faults.ts";
import type { BuyerId, Rid } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import { BucketLedger, type BucketLedgerParts } from "../../src/ledger/bucket-ledger.ts";
import { Relay } from "../../src/ledger/relay.ts";
import { RoutedLedger } from "../../src/ledger/routed-ledger.ts";
import { warmUpBuckets } from "../../src/ledger/warm-up.ts";
import type { BucketEpoch, BucketStore } from "../../src/ports/bucket-store.ts";
import type { CommitFeed, CommitHint } from "../../src/ports/commit-feed.ts";
import type { Attempt, BatchOutcome, Ledger } from "../../src/ports/ledger.ts";
import { ManualClock } from "./manual-clock.ts";
import { evenRandom, RecordingLog } from "./recording-log.ts";

/** What happens to one call: made and answered, made and its answer lost, lost on the way, never answered. */
export type LinkFate = "answer" | "lose-answer" | "lose-call" | "hang";
export type StoreCall = keyof BucketStore;

/** Hints by hand: delivered at once to whoever listens. */
export class MemoryFeed implements CommitFeed {
  readonly #listeners = new Set<(hint: CommitHint) => void>();
  readonly #woken = new Set<(bucket: BucketEpoch) => void>();

  publish(hints: readonly CommitHint[]): void {
    for (const hint of hints) for (const listener of [...this.#listeners]) listener(hint);
  }

  subscribe(listener: (hint: CommitHint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  wake(bucket: BucketEpoch): void {
    for (const listener of [...this.#woken]) listener(bucket);
  }

  onWake(listener: (bucket: BucketEpoch) => void): () => void {
    this.#woken.add(listener);
    return () => this.#woken.delete(listener);
  }
}

export interface BucketWorldOptions {
  readonly stock?: number;
  readonly buckets?: number;
  readonly perBuyerMax?: number;
  readonly ackWaitMs?: number;
}

export const ITEM_ID = 1;

/** See the head of this file. */
export class BucketWorld {
  readonly clock = new ManualClock();
  readonly random = evenRandom();
  readonly log = new RecordingLog();
  readonly books: BooksModel;
  readonly redis: BucketModel;
  /** The buckets as the node reaches them. */
  readonly store: BucketStore;
  readonly feed = new MemoryFeed();
  readonly sales: ModelDirectory;
  readonly relay: Relay;
  readonly ledger: BucketLedger;
  readonly routed: RoutedLedger;
  readonly calls: StoreCall[] = [];
  /** How often Postgres was asked for stock. */
  stockReads = 0;
  /** Set: Postgres gives no answer. */
  postgresFault: Fault | null = null;
  link: (call: StoreCall, request: unknown) => LinkFate = () => "answer";
  /** Runs before a bucket hears the call. */
  way: (call: StoreCall) => Promise<void> = async () => undefined;
  /** Runs between the decision of a bucket and its answer. */
  delay: (call: StoreCall) => Promise<void> = async () => undefined;

  constructor(options: BucketWorldOptions = {}) {
    const { stock = 10, buckets = 1, perBuyerMax = 2, ackWaitMs = 250 } = options;
    const nowMs = () => this.clock.nowMs();
    this.books = new BooksModel({ nowMs });
    this.books.addSale(modelSale({ buckets, perBuyerMax, items: [modelItem(ITEM_ID, perBuyerMax)] }), [stock]);
    this.redis = new BucketModel({ nowMs });
    this.store = this.#linked();
    this.sales = new ModelDirectory(async () => salesOf(this.books));
    const { store, books, clock, random, log } = this;
    this.relay = new Relay({ store, books, clock, random, log });
    this.ledger = this.node("node-a", { ackWaitMs });
    this.routed = new RoutedLedger({ postgres: this.postgres, redis: this.ledger, sales: this.sales, clock });
  }

  /** The postgres ledger, which can be made to fail. */
  get postgres(): Ledger {
    const { ledger } = this.books;
    const reach = () => {
      if (this.postgresFault !== null) throw this.postgresFault;
    };
    return {
      reserve: async (batch) => {
        reach();
        return ledger.reserve(batch);
      },
      readStock: async (itemIds) => {
        this.stockReads += 1;
        reach();
        return ledger.readStock(itemIds);
      },
      readHolders: async (request) => {
        reach();
        return ledger.readHolders(request);
      },
      findQueued: () => ledger.findQueued(),
    };
  }

  /** Another node over the same servers. */
  node(nodeId: string, changes: Partial<BucketLedgerParts> = {}): BucketLedger {
    const { store, books, relay, sales, clock, random, log } = this;
    const orders: BucketLedgerParts["orders"] = {
      listOrdersByRid: async (rids) => {
        if (this.postgresFault !== null) throw this.postgresFault;
        return books.orders.listOrdersByRid(rids);
      },
    };
    const parts = { store, books, postgres: this.postgres, orders, relay, commits: this.feed };
    return new BucketLedger({ ...parts, sales, clock, random, log, nodeId, ackWaitMs: 250, ...changes });
  }

  /** A world whose one sale is in redis mode, its stock in the buckets, its ledger started. */
  static async inRedis(options: BucketWorldOptions = {}): Promise<BucketWorld> {
    const world = new BucketWorld(options);
    await world.enterRedis();
    world.ledger.start();
    return world;
  }

  get sale(): Sale {
    const [sale] = salesOf(this.books);
    if (sale === undefined) throw new Error("no sale");
    return sale;
  }

  /** Postgres → warming → redis, with what Postgres knows. The node learns of it at the end. */
  async enterRedis(): Promise<void> {
    const { books, redis } = this;
    const saleId = this.sale.id;
    await books.fence({ saleId, seenEpoch: this.sale.epoch, mode: "warming", reason: "test" });
    const { sale } = this;
    const relay = new Relay({ ...this, store: redis });
    await warmUpBuckets(sale, { store: redis, books, relay, check: () => undefined });
    await books.changeMode({ saleId, epoch: sale.epoch, from: "warming", to: "redis", reason: "test" });
    for (const address of this.addresses()) await redis.setGate({ ...address, isOpen: true });
    await this.sales.refresh();
  }

  /** Redis → draining → postgres: gates shut, everything that survives is committed unless told otherwise. */
  async leaveRedis(options: { readonly isDrained?: boolean; readonly isTold?: boolean } = {}): Promise<void> {
    const { books, redis, sale } = this;
    for (const address of this.addresses()) await redis.setGate({ ...address, isOpen: false });
    await books.changeMode({ saleId: sale.id, epoch: sale.epoch, from: "redis", to: "draining", reason: "test" });
    if (options.isDrained ?? true) await this.commit();
    await books.fence({ saleId: sale.id, seenEpoch: sale.epoch, mode: "postgres", reason: "test" });
    if (options.isTold ?? true) await this.sales.refresh();
  }

  addresses(): { itemId: number; bucket: number; epoch: number }[] {
    const { buckets, epoch } = this.sale;
    return Array.from({ length: buckets }, (_, bucket) => ({ itemId: ITEM_ID, bucket, epoch }));
  }

  /** A worker's round over all buckets: commits what nobody read yet; hints unless told not to. */
  async commit(options: { readonly hints?: boolean } = {}): Promise<void> {
    const { books, redis, sale } = this;
    for (const address of this.addresses()) {
      const entries = await redis.readNew({ ...address, consumerId: "w", entriesMax: 10_000 });
      for (const entry of entries) {
        const promisedUntil = entry.acceptedAtMs + entry.holdMs;
        const rows = entry.rows.map((row) => ({ ...row, promisedUntil }));
        const outcome = await books.commitBatch({ ...address, saleId: sale.id, rows });
        const holdUntil = outcome.kind === "done" ? (outcome.holdUntil[0] ?? null) : null;
        const { firstSeq, lastSeq } = entry;
        if (options.hints ?? true) this.feed.publish([{ ...address, firstSeq, lastSeq, holdUntil }]);
      }
      await redis.acknowledge({ ...address, lastSeqs: entries.map((entry) => entry.lastSeq) });
    }
  }

  /** Attempts at once through the bucket ledger, in the sale's epoch. */
  reserve(attempts: readonly Attempt[], ledger: Pick<Ledger, "reserve"> = this.ledger): Promise<BatchOutcome> {
    return ledger.reserve({ saleId: this.sale.id, itemId: ITEM_ID, epoch: this.sale.epoch, attempts });
  }

  /** Moves the clock until the work is done. */
  async finish<Value>(work: Promise<Value>, stepMs = 5): Promise<Value> {
    let isDone = false;
    const watched = work.finally(() => {
      isDone = true;
    });
    // Looked at by the caller; here only its end matters.
    watched.catch(() => undefined);
    for (let step = 0; step < 4_000 && !isDone; step += 1) await this.clock.advance(stepMs);
    return watched;
  }

  /** Units that the item has in all places; equal to its total when nothing is lost and nothing is double. */
  unitsInAllPlaces(): { readonly total: number; readonly sum: number } {
    const stock = this.books.tables.stockRow(ITEM_ID);
    return { total: stock.total, sum: stock.free + stock.granted + stock.held + stock.sold };
  }

  #linked(): BucketStore {
    const guard = (call: StoreCall, decide: () => Promise<unknown>, request: unknown) =>
      this.#through(call, decide, request);
    return new Proxy(this.redis, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        return (...values: unknown[]) =>
          guard(name as StoreCall, () => Reflect.apply(method, target, values) as Promise<unknown>, values[0]);
      },
    });
  }

  async #through(call: StoreCall, decide: () => Promise<unknown>, request: unknown): Promise<unknown> {
    this.calls.push(call);
    const fate = this.link(call, request);
    if (fate === "lose-call") {
      await this.delay(call);
      throw new Fault("LEDGER_UNAVAILABLE", { internal: "the call was lost" });
    }
    await this.way(call);
    const decided = decide();
    // A refusal travels as an answer does.
    decided.catch(() => undefined);
    await this.delay(call);
    if (fate === "hang") return new Promise(() => undefined);
    if (fate === "lose-answer") throw new Fault("LEDGER_UNAVAILABLE", { internal: "the answer was lost" });
    return decided;
  }
}

/** An attempt of a buyer with a key of its own. */
export function attemptOf(buyer: string, options: { readonly key?: string; readonly quantity?: number } = {}): Attempt {
  const rid = `${buyer}-${options.key ?? "k"}`;
  return { rid: rid as Rid, buyerId: buyer as BuyerId, quantity: options.quantity ?? 1 };
}

/** "held", "queued", "known", "empty", … of each outcome. */
export function wordsOf(answer: BatchOutcome): string[] {
  return answer.outcomes.map((outcome) => {
    if (outcome.kind === "unknown") return "unknown";
    if (outcome.kind === "refused") return outcome.reason;
    return outcome.replayed ? `again ${outcome.status}` : outcome.status;
  });
}
