/**
 * The commit worker: carries what the buckets accepted into Postgres, exactly once, for all sales and their buckets.
 *
 * A lane for each bucket of each sale that is in redis mode, being drained or being warmed; buckets of earlier epochs are
 * looked through now and then for acceptances that came too late (lost-acceptances.ts), and numbers that never arrived are
 * looked for (gap-audit.ts). Any number of workers may run: a bucket's stream shares its entries out among them. Decides
 * nothing about stock, modes or epochs.
 */

import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import { bucketKey } from "../ledger/bucket-key.ts";
import type { Books } from "../ports/books.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitFeed } from "../ports/commit-feed.ts";
import type { Random } from "../ports/random.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import { BatchCommitter } from "./batch-committer.ts";
import { CommitLane, type LaneAddress } from "./commit-lane.ts";
import { EventHints } from "./event-hints.ts";
import { GapAudit } from "./gap-audit.ts";
import { IdleStreams } from "./idle-streams.ts";
import { createLoop, type Loop } from "./loop.ts";
import { LostAcceptances } from "./lost-acceptances.ts";
import { PastEpochs } from "./past-epochs.ts";
import { createSaleAlarm } from "./sale-alarm.ts";
import { StreamDrain } from "./stream-drain.ts";
import { createUnreadableRows } from "./unreadable-rows.ts";

const UPKEEP_INTERVAL_MS = 1_000;

export interface CommitWorkerParts {
  readonly store: BucketStore;
  readonly books: Books;
  readonly commits: CommitFeed;
  readonly sales: SaleDirectory;
  /** Distinct among the workers of a deployment. */
  readonly consumerId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** See the head of this file. */
export class CommitWorker {
  readonly #parts: CommitWorkerParts;
  readonly #committer: BatchCommitter;
  readonly #idle: IdleStreams;
  readonly #lanes = new Map<string, CommitLane>();
  readonly #lost: LostAcceptances;
  readonly #past: PastEpochs;
  readonly #gaps: GapAudit;
  readonly #drain: StreamDrain;
  readonly #hints: EventHints;
  readonly #upkeep: Loop;
  readonly #endings = new Set<Promise<void>>();
  #isStarted = false;
  #unsubscribe: (() => void) | null = null;
  #sleepOn: (() => void) | null = null;
  #refreshing: Promise<void> | null = null;

  constructor(parts: CommitWorkerParts) {
    const { books, log, clock, random } = parts;
    this.#parts = parts;
    const alarm = createSaleAlarm({ books, log });
    this.#committer = new BatchCommitter({ ...parts, alarm });
    this.#idle = new IdleStreams({ ...parts, isPaused: () => this.#committer.isDatabaseAway });
    this.#hints = new EventHints({ books, clock, log });
    this.#lost = new LostAcceptances({ ...parts, onRecorded: () => this.#hints.note() });
    this.#past = new PastEpochs({ ...parts, lost: this.#lost });
    this.#gaps = new GapAudit({ ...parts, alarm, committer: this.#committer, onRepaired: () => this.#hints.note() });
    this.#drain = new StreamDrain({
      ...parts,
      committer: this.#committer,
      onCommitted: () => this.#hints.note(),
    });
    this.#upkeep = createLoop({
      name: "commit worker",
      clock,
      random,
      log,
      intervalMs: UPKEEP_INTERVAL_MS,
      run: () => this.#keepUp(),
    });
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#unsubscribe = this.#parts.sales.onRefresh(() => this.#followSales());
    this.#sleepOn = this.#parts.commits.onWake((bucket) => this.#idle.wake(bucket));
    this.#followSales();
    this.#upkeep.start();
  }

  /** Reads no more; resolves when what was begun is over. The rest stays pending for other workers. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#unsubscribe?.();
    this.#sleepOn?.();
    await this.#upkeep.stop();
    for (const lane of this.#lanes.values()) this.#end(lane);
    this.#lanes.clear();
    await Promise.all(this.#endings);
    this.#hints.stop();
  }

  /** Rows that this worker has read and not yet committed. */
  backlog(): number {
    return [...this.#lanes.values()].reduce((sum, lane) => sum + lane.rowsInHand, 0);
  }

  /** One step of a worker that was not started: every lane reads once and commits that. Answers the rows committed. */
  async runOnce(): Promise<number> {
    this.#followSales();
    const passes = [...this.#lanes.values()].map((lane) => lane.pass());
    const settled = await Promise.allSettled(passes);
    await this.#keepUp();
    for (const result of settled) if (result.status === "rejected") throw result.reason;
    return settled.reduce((sum, result) => sum + (result.status === "fulfilled" ? result.value : 0), 0);
  }

  /**
   * Commits everything that is left in the streams of the sale's epoch, whoever had read it. The gates must be closed.
   * Ends after five seconds at the latest; throws LEDGER_UNAVAILABLE when the buckets cannot be read.
   */
  drain(sale: Sale): Promise<void> {
    return this.#drain.run(sale);
  }

  /** A lane for each bucket that may accept, none for others. Those whose epoch is over end by themselves. */
  #followSales(): void {
    const wanted = new Map(this.#parts.sales.listSales().flatMap(lanesOf));
    for (const [key, lane] of this.#lanes) {
      if (wanted.has(key)) continue;
      this.#lanes.delete(key);
      this.#end(lane);
    }
    for (const [key, address] of wanted) {
      if (this.#lanes.has(key)) continue;
      const lane = this.#createLane(address);
      this.#lanes.set(key, lane);
      if (this.#isStarted) lane.start();
    }
  }

  #createLane(address: LaneAddress): CommitLane {
    const { store, books, log } = this.#parts;
    return new CommitLane(
      {
        ...this.#parts,
        committer: this.#committer,
        idle: this.#idle,
        unreadable: createUnreadableRows({ store, books, log }),
        onOver: (over, entries) => {
          this.#lost.add(over, entries);
          this.#refresh(over.saleId);
        },
        onCommitted: () => this.#hints.note(),
        onEntriesGone: (gone, lastSeqs) =>
          log.error(
            { ...gone, lastSeqs },
            "entries of a stream were deleted while pending; the gap audit settles them",
          ),
      },
      address,
    );
  }

  #end(lane: CommitLane): void {
    const ending: Promise<void> = lane.stop().finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }

  /** A fenced commit means that our copy of the sale is old. */
  #refresh(saleId: SaleId): void {
    const { sales, log } = this.#parts;
    this.#refreshing ??= sales
      .refresh()
      .catch((error: unknown) => log.debug({ saleId, error }, "the sales could not be read again"))
      .finally(() => {
        this.#refreshing = null;
      });
  }

  async #keepUp(): Promise<void> {
    if (this.#committer.isDatabaseAway) return;
    await this.#past.look();
    await this.#lost.recordDue();
    await this.#gaps.look();
  }
}

/** The lanes that a sale needs, by a key of their own. */
function lanesOf(sale: Sale): (readonly [string, LaneAddress])[] {
  if (sale.mode !== "redis" && sale.mode !== "draining" && sale.mode !== "warming") return [];
  return sale.items.flatMap(({ itemId }) =>
    Array.from({ length: sale.buckets }, (_, bucket) => {
      const address = { saleId: sale.id, itemId, bucket, epoch: sale.epoch };
      return [bucketKey(address), address] as const;
    }),
  );
}
