/**
 * One bucket's way into Postgres: reads what the bucket accepted, commits it, says so, and only then acknowledges it.
 *
 *     stream ──read──► waiting ──≤ 500 rows, ≤ 2 at once──► COMMIT ──► hint to the nodes ──► acknowledge
 *                                                              └─ fenced ──► lost acceptances
 *
 * A worker that dies anywhere leaves its entries pending; another one claims them after a while, and committing them
 * twice changes nothing. While the database is away nothing new is read. Lanes of several workers on the same bucket
 * share its entries. Lanes of a worker that are not busy ask together (idle-streams.ts).
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { CommitRow } from "../ports/books.ts";
import type { BucketEpoch, BucketStore, StreamEntry } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitFeed, CommitHint } from "../ports/commit-feed.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import type { BatchCommitter, RowFate } from "./batch-committer.ts";
import { BATCH_ROWS_TARGET, countRows, type EntryBatch, takeBatch } from "./entry-rows.ts";
import type { IdleStreams } from "./idle-streams.ts";
import type { UnreadableRows } from "./unreadable-rows.ts";

/** A read is meant to bring about two batches, whether entries have one row or hundreds. */
const ENTRIES_PER_READ_MIN = 8;
const ENTRIES_PER_READ_MAX = 512;
const ENTRIES_PER_READ_FIRST = 64;
const FLIGHTS_MAX = 2;
/** A second commit leaves only with this many rows: small ones wait for company while one is under way. */
const SECOND_FLIGHT_ROWS_MIN = 64;
/** After a launch of so many rows there is probably more, and a lane reads on by itself. */
const BUSY_ROWS_MIN = 64;
/** How long a lane leaves a bucket or a database alone that gave no answer. */
const AWAY_PAUSE_MS = 100;
const CLAIM_INTERVAL_MS = 1_000;
/** Entries that another worker left alone for so long are claimed. */
export const CLAIM_IDLE_MS = 5_000;

export interface LaneAddress extends BucketEpoch {
  readonly saleId: SaleId;
}

export interface LaneParts {
  readonly store: Pick<BucketStore, "readNew" | "claimStale" | "acknowledge">;
  readonly committer: BatchCommitter;
  readonly idle: Pick<IdleStreams, "wait">;
  readonly unreadable: UnreadableRows;
  readonly commits: Pick<CommitFeed, "publish">;
  readonly consumerId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Entries with rows that can become no orders in this epoch: it is over, or their number is taken. */
  readonly onOver: (address: LaneAddress, entries: readonly StreamEntry[]) => void;
  readonly onCommitted: (rows: number) => void;
  /** Entries were pending and do not exist any more: somebody deleted them by hand. */
  readonly onEntriesGone: (address: LaneAddress, lastSeqs: readonly number[]) => void;
}

/** See the head of this file. */
export class CommitLane {
  readonly address: LaneAddress;
  readonly #parts: LaneParts;
  readonly #flights = new Set<Promise<void>>();
  /** Entries in this lane's hands, by their last number: what is claimed from ourselves is not taken twice. */
  readonly #inHand = new Set<number>();
  readonly #waiting: StreamEntry[] = [];
  #claimedAtMs: number;
  #entriesPerRead = ENTRIES_PER_READ_FIRST;
  #isStopping = false;
  #wake: () => void = () => undefined;
  #running: Promise<void> | null = null;
  #rowsInHand = 0;
  /** More is expected than the reading for all lanes together brings. */
  #isBusy = false;
  /** Something was read since the lane last began to wait. */
  #wasActive = true;

  constructor(parts: LaneParts, address: LaneAddress) {
    this.#parts = parts;
    this.address = address;
    this.#claimedAtMs = parts.clock.monotonicMs();
  }

  /** Rows that were read and not yet committed. */
  get rowsInHand(): number {
    return this.#rowsInHand;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Reads no more; resolves when what is under way is committed, or given up because the database is away. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    await this.#running;
    await Promise.all(this.#flights);
  }

  /** Reads once and commits all of it: one step of a lane that was not started. Answers the rows that were committed. */
  async pass(): Promise<number> {
    await this.#read();
    if (this.#isClaimDue()) await this.#claim();
    let rows = 0;
    while (this.#waiting.length > 0) rows += await this.#commit(takeBatch(this.#waiting));
    return rows;
  }

  async #run(): Promise<void> {
    let isRead = true;
    while (!this.#isStopping) {
      if (this.#isBusy || !isRead) isRead = this.#isFull() || (await this.#ask(() => this.#read()));
      // What is new has just been read, here or for all lanes together. A lane with its hands full claims too: others wait.
      if (isRead && this.#isClaimDue()) isRead = await this.#ask(() => this.#claim());
      if (this.#mayLaunch()) {
        this.#launch();
      } else if (this.#flights.size > 0 && (this.#waiting.length > 0 || this.#flights.size >= FLIGHTS_MAX)) {
        await Promise.race(this.#flights);
      } else if (isRead && !this.#parts.committer.isDatabaseAway) {
        await this.#waitForNews();
      } else {
        await this.#pause(AWAY_PAUSE_MS);
      }
    }
  }

  #isClaimDue(): boolean {
    return this.#parts.clock.monotonicMs() - this.#claimedAtMs >= CLAIM_INTERVAL_MS;
  }

  #mayLaunch(): boolean {
    if (this.#waiting.length === 0 || this.#flights.size >= FLIGHTS_MAX) return false;
    return this.#flights.size === 0 || countRows(this.#waiting) >= SECOND_FLIGHT_ROWS_MIN;
  }

  #launch(): void {
    const batch = takeBatch(this.#waiting);
    this.#isBusy = countRows(batch.entries) >= BUSY_ROWS_MIN;
    const flight: Promise<void> = this.#commit(batch)
      .then(
        () => undefined,
        (error: unknown) => this.#parts.log.warn({ ...this.address, error }, "a batch was given up; it stays pending"),
      )
      .finally(() => this.#flights.delete(flight));
    this.#flights.add(flight);
  }

  #isFull(): boolean {
    return countRows(this.#waiting) >= BATCH_ROWS_TARGET;
  }

  /** False when nothing could or should be asked for. */
  async #ask(ask: () => Promise<void>): Promise<boolean> {
    if (this.#parts.committer.isDatabaseAway) return false;
    try {
      await ask();
      return true;
    } catch (error) {
      const fields = { ...this.address, error };
      if (isFault(error)) this.#parts.log.debug(fields, "a bucket's acceptances could not be read");
      else this.#parts.log.error(fields, "reading a bucket's acceptances failed; it is tried again");
      return false;
    }
  }

  async #read(): Promise<void> {
    const { store, consumerId } = this.#parts;
    const request = { ...this.address, consumerId, entriesMax: this.#entriesPerRead };
    const entries = await store.readNew(request);
    this.#take(entries);
    this.#isBusy = entries.length === request.entriesMax;
    if (entries.length > 0) {
      this.#wasActive = true;
      const wanted = Math.ceil((2 * BATCH_ROWS_TARGET * entries.length) / Math.max(1, countRows(entries)));
      this.#entriesPerRead = Math.min(ENTRIES_PER_READ_MAX, Math.max(ENTRIES_PER_READ_MIN, wanted));
    }
  }

  /** What another worker has read and left behind. */
  async #claim(): Promise<void> {
    const { store, consumerId, clock } = this.#parts;
    this.#claimedAtMs = clock.monotonicMs();
    const entriesMax = this.#entriesPerRead;
    const claimed = await store.claimStale({ ...this.address, consumerId, entriesMax, idleMsMin: CLAIM_IDLE_MS });
    this.#take(claimed.entries);
    if (claimed.lostLastSeqs.length > 0) this.#parts.onEntriesGone(this.address, claimed.lostLastSeqs);
  }

  #take(entries: readonly StreamEntry[]): void {
    for (const entry of entries) {
      if (this.#inHand.has(entry.lastSeq)) continue;
      this.#inHand.add(entry.lastSeq);
      this.#rowsInHand += entry.rows.length;
      this.#waiting.push(entry);
    }
  }

  async #commit(batch: EntryBatch): Promise<number> {
    const { committer, unreadable, store, onOver, onCommitted } = this.#parts;
    try {
      const repaired = await unreadable.rescue(this.address, batch);
      const rows: readonly CommitRow[] = [...batch.rows, ...repaired];
      const fates = await committer.commit({ ...this.address, rows, isWanted: () => !this.#isStopping });
      const refused = new Set(rows.filter((_row, index) => isRefused(fates[index])).map((row) => row.seq));
      const [over, decided] = split(batch.entries, (entry) => entry.rows.some((row) => refused.has(row.seq)));
      if (over.length > 0) onOver(this.address, over);
      if (decided.length === 0) return 0;
      this.#parts.commits.publish(hintsOf(this.address, { entries: decided, rows }, fates));
      onCommitted(rows.length - refused.size);
      await store.acknowledge({ ...this.address, lastSeqs: decided.map((entry) => entry.lastSeq) });
      return rows.length - refused.size;
    } finally {
      for (const entry of batch.entries) this.#inHand.delete(entry.lastSeq);
      this.#rowsInHand -= countRows(batch.entries);
    }
  }

  async #waitForNews(): Promise<void> {
    if (this.#isStopping) return;
    const { news, cancel } = this.#parts.idle.wait(this.address, { wasActive: this.#wasActive });
    this.#wake = cancel;
    const { entries, isAll } = await news;
    this.#wasActive = entries.length > 0;
    this.#isBusy = !isAll;
    this.#take(entries);
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    const { clock, random } = this.#parts;
    return new Promise((resolve) => {
      const cancel = clock.setTimer(delayMs * (0.8 + 0.4 * random.fraction()), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Such a row becomes no order in this epoch; what becomes of it is found out when a later one has begun. */
function isRefused(fate: RowFate | undefined): boolean {
  return fate?.kind === "fenced" || fate?.kind === "seq_taken";
}

function split<Value>(values: readonly Value[], isFirst: (value: Value) => boolean): readonly [Value[], Value[]] {
  return [values.filter(isFirst), values.filter((value) => !isFirst(value))];
}

/** One hint an entry; its time only when every row of it is a hold that began with this commit. */
function hintsOf(address: BucketEpoch, batch: EntryBatch, fates: readonly RowFate[]): readonly CommitHint[] {
  const fateOfRid = new Map(batch.rows.map((row, index) => [row.rid, fates[index]]));
  const { itemId, bucket, epoch } = address;
  return batch.entries.map(({ firstSeq, lastSeq, rows: own, unreadable }) => {
    const first = fateOfRid.get(own[0]?.rid ?? "");
    const holdUntil = first?.kind === "committed" && unreadable.length === 0 ? first.holdUntil : null;
    const isUniform = own.every((row) => {
      const fate = fateOfRid.get(row.rid);
      return fate?.kind === "committed" && fate.holdUntil === holdUntil;
    });
    return { itemId, bucket, epoch, firstSeq, lastSeq, holdUntil: isUniform ? holdUntil : null };
  });
}
