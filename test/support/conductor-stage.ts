/**
 * A conductor with its worker, its nodes' reports and time that passes, for tests of what becomes of sales.
 */

import { Conductor } from "../../src/ledger/conductor.ts";
import { Relay } from "../../src/ledger/relay.ts";
import { CommitWorker } from "../../src/orders/commit-worker.ts";
import type { Books } from "../../src/ports/books.ts";
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import type { SaleDirectory } from "../../src/ports/sale-directory.ts";
import { attemptOf, BucketWorld, type BucketWorldOptions, ITEM_ID, wordsOf } from "./bucket-world.ts";

export const DWELL_MS = 60_000;

/** A conductor and a worker over a world; both can be replaced, as processes are. */
export class Stage {
  readonly world: BucketWorld;
  conductor: Conductor;
  worker: CommitWorker;
  isLeader = true;
  /** API nodes and what each says about Redis. */
  readonly nodes = new Map<string, boolean | null>([["a", true]]);

  constructor(options: BucketWorldOptions = {}) {
    this.world = new BucketWorld(options);
    this.worker = this.newWorker();
    this.conductor = this.newConductor();
  }

  newWorker(): CommitWorker {
    const { store, books, feed, sales, clock, random, log } = this.world;
    return new CommitWorker({ store, books, commits: feed, sales, consumerId: "w", clock, random, log });
  }

  newConductor(over: { store?: BucketStore; books?: Books; sales?: SaleDirectory } = {}): Conductor {
    const { clock, random, log } = this.world;
    const sales = over.sales ?? this.world.sales;
    const store = over.store ?? this.world.store;
    const books = over.books ?? this.world.books;
    const stage = this;
    return new Conductor({
      store,
      books,
      relay: new Relay({ store, books, clock, random, log }),
      sales,
      leadership: {
        get isHeld() {
          return stage.isLeader;
        },
      },
      drain: (sale) => this.worker.drain(sale),
      clock,
      random,
      log,
      dwellMs: DWELL_MS,
    });
  }

  /** Time passes in quarter seconds: nodes report, the worker commits, the conductor makes its pass. */
  async pass(durationMs: number, options: { readonly isWorking?: boolean } = {}): Promise<void> {
    for (let passedMs = 0; passedMs < durationMs; passedMs += 250) {
      this.world.clock.jump(250);
      await this.report();
      await this.world.sales.refresh();
      if (options.isWorking ?? true) await this.worker.runOnce().catch(() => 0);
      await this.world.finish(this.conductor.runOnce(), 1);
    }
  }

  async report(): Promise<void> {
    for (const [nodeId, canReachRedis] of this.nodes) {
      await this.world.books.reportNode({ nodeId, roles: ["api"], canReachRedis });
    }
  }

  get state(): { mode: string; reason: string; epoch: number; flips: number } {
    const { sale } = this.world;
    const row = this.world.books.tables.data.sales.get(sale.id);
    return {
      mode: sale.mode,
      reason: row?.modeReason ?? "",
      epoch: sale.epoch,
      flips: Math.max(0, (row?.entries ?? 0) - 1),
    };
  }

  audit(bucket = 0) {
    const audit = this.world.redis.auditNow({ itemId: ITEM_ID, bucket });
    if (audit === null) throw new Error("a bucket is expected");
    return audit;
  }

  get stock() {
    return this.world.books.tables.stockRow(ITEM_ID);
  }

  async reserve(...buyers: readonly string[]): Promise<string[]> {
    const attempts = buyers.map((buyer) => attemptOf(buyer));
    const { sale, clock } = this.world;
    const batch = { saleId: sale.id, itemId: ITEM_ID, epoch: sale.epoch, attempts };
    const answer = this.world.routed.reserve(batch);
    return wordsOf(await this.world.finish(answer, clock.timerCount === 0 ? 1 : 5));
  }
}
