/**
 * Acceptances that a buyer was told of as "queued" and that Postgres does not have yet: none of them ends in silence.
 *
 * Usually the commit is merely late and a hint or a look into Postgres ends the wait. When workers cannot read the stream,
 * because Redis is gone or the sale is leaving it, this process commits what it remembers, as they would: while the epoch
 * lives the units are the bucket's, and nobody else can have them. When the sale has moved on to another epoch, the bucket's
 * word is worth nothing any more: the same rids are handed in again, first of all, and the units go to whom they were
 * promised if there are any. What is refused then is recorded as lost, so that its buyer reads it. In memory and bounded:
 * what this process forgets, the workers find in the stream and record.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import { createLoop, type Loop } from "../orders/loop.ts";
import { type Books, COMMIT_ROWS_MAX } from "../ports/books.ts";
import type { BucketEpoch, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitHint } from "../ports/commit-feed.ts";
import type { Attempt, BatchOutcome, QueuedReservation, ReserveBatch } from "../ports/ledger.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import type { Log } from "../ports/telemetry.ts";
import { bucketKey, entryKey } from "./bucket-key.ts";
import { within } from "./deadline.ts";

/** Attempts that are remembered; beyond it the oldest are left to the workers. */
export const UNCONFIRMED_MAX = 65_536;
/** Attempts handed in again, or asked about, at once. */
export const RESUBMIT_ATTEMPTS_MAX = 256;
const FORGOTTEN_AT_ONCE = 1_024;
const RESUBMIT_DEADLINE_MS = 3_000;
const LOOK_INTERVAL_MS = 1_000;

/** What a bucket accepted in one call, with what its buyers were promised. */
export interface UnconfirmedEntry {
  readonly saleId: SaleId;
  readonly address: BucketEpoch;
  /** Of the entry in the stream; null when it is not known, as for a repeat. */
  readonly lastSeq: number | null;
  readonly acceptedAtMs: number;
  readonly holdUntil: number;
  readonly rows: readonly { readonly seq: number; readonly attempt: Attempt }[];
}

interface Waiting {
  readonly entry: UnconfirmedEntry;
  readonly seq: number;
  readonly attempt: Attempt;
}

/** What waits of one bucket, in the epoch in which its sale still is. */
interface WaitingBucket {
  readonly sale: Sale;
  readonly address: BucketEpoch;
  /** In the order of their numbers. */
  readonly waiting: Waiting[];
}

export interface UnconfirmedParts {
  readonly store: Pick<BucketStore, "audit">;
  readonly books: Pick<Books, "commitBatch" | "hintEvents" | "recordLost">;
  readonly orders: Pick<OrderStore, "listOrdersByRid">;
  readonly sales: SaleDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whoever decides about the sale now. */
  readonly resubmit: (batch: ReserveBatch) => Promise<BatchOutcome>;
}

/** See the head of this file. */
export class Unconfirmed {
  readonly #parts: UnconfirmedParts;
  readonly #byRid = new Map<string, Waiting>();
  readonly #byEntry = new Map<string, UnconfirmedEntry>();
  readonly #loop: Loop;
  #unsubscribe: (() => void) | null = null;
  #pass: Promise<void> | null = null;
  /** The catalogue has changed again while a pass ran. */
  #isStale = false;

  constructor(parts: UnconfirmedParts) {
    this.#parts = parts;
    const { clock, random, log } = parts;
    const run = () => this.runOnce();
    this.#loop = createLoop({ name: "unconfirmed", clock, random, log, intervalMs: LOOK_INTERVAL_MS, run });
  }

  /** Attempts that wait for Postgres. */
  get count(): number {
    return this.#byRid.size;
  }

  start(): void {
    this.#loop.start();
    this.#unsubscribe ??= this.#parts.sales.onRefresh(() => {
      if (this.#byRid.size > 0) this.#followQuietly();
    });
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    await this.#loop.stop();
    await this.#pass;
  }

  add(entry: UnconfirmedEntry): void {
    for (const { seq, attempt } of entry.rows) {
      this.#byRid.delete(attempt.rid);
      this.#byRid.set(attempt.rid, { entry, seq, attempt });
    }
    if (entry.lastSeq !== null) this.#byEntry.set(entryKey(entry.address, entry.lastSeq), entry);
    this.#forgetOldest();
  }

  /** A hint that came after the buyers had their answers. One that says "not all became holds" leaves it to Postgres. */
  hear(hint: CommitHint): void {
    const entry = this.#byEntry.get(entryKey(hint, hint.lastSeq));
    if (entry === undefined || hint.holdUntil === null) return;
    for (const { attempt } of entry.rows) this.#forget(attempt.rid, entry);
  }

  /** The reservation as its buyer was promised it; null when this process does not wait for it. */
  find(rid: string): QueuedReservation | null {
    const waiting = this.#byRid.get(rid);
    if (waiting === undefined) return null;
    const { saleId, address, acceptedAtMs, holdUntil } = waiting.entry;
    return { ...waiting.attempt, saleId, itemId: address.itemId, acceptedAtMs, holdUntil };
  }

  /** One pass: asks Postgres about everything, then commits what no worker can read and hands in again what is left behind. */
  async runOnce(): Promise<void> {
    if (this.#byRid.size === 0) return;
    await this.#askPostgres();
    const buckets = this.#listBuckets(() => true);
    // All at once: a Redis that hangs is waited for once, and not once for each of its buckets.
    const areCutOff = await Promise.all(buckets.map((bucket) => this.#isCutOff(bucket)));
    await this.#commitAll(buckets.filter((_bucket, index) => areCutOff[index]));
    await this.#resubmitAll();
  }

  async #askPostgres(): Promise<void> {
    const rids = [...this.#byRid.keys()];
    for (let start = 0; start < rids.length; start += RESUBMIT_ATTEMPTS_MAX) {
      const orders = await this.#parts.orders.listOrdersByRid(rids.slice(start, start + RESUBMIT_ATTEMPTS_MAX));
      for (const order of orders) if (order.status !== "lost") this.#forget(order.rid);
    }
  }

  /** At the moment when the catalogue learns of another mode or epoch: before the buyers who wait for it. */
  #followQuietly(): void {
    this.#isStale = true;
    this.#pass ??= this.#follow()
      .catch((error: unknown) => this.#parts.log.warn({ error }, "queued attempts could not be handed in again yet"))
      .finally(() => {
        this.#pass = null;
      });
  }

  async #follow(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      await this.#commitAll(this.#listBuckets(isDraining));
      await this.#resubmitAll();
    }
  }

  #listBuckets(isMeant: (sale: Sale) => boolean): readonly WaitingBucket[] {
    const buckets = new Map<string, WaitingBucket>();
    for (const each of this.#byRid.values()) {
      const { saleId, address } = each.entry;
      const sale = this.#parts.sales.findSale(saleId);
      if (sale?.epoch !== address.epoch || !isMeant(sale)) continue;
      const key = bucketKey(address);
      const known = buckets.get(key);
      if (known === undefined) buckets.set(key, { sale, address, waiting: [each] });
      else known.waiting.push(each);
    }
    for (const { waiting } of buckets.values()) waiting.sort((one, other) => one.seq - other.seq);
    return [...buckets.values()];
  }

  /** No worker will read this in the bucket's stream: the sale is leaving it, it gives no answer, or it has forgotten. */
  async #isCutOff({ sale, address, waiting }: WaitingBucket): Promise<boolean> {
    if (isDraining(sale)) return true;
    try {
      const audit = await this.#parts.store.audit(address);
      return audit === null || audit.epoch !== address.epoch || audit.seq < (waiting.at(-1)?.seq ?? 0);
    } catch (error) {
      if (!isFault(error)) throw error;
      return true;
    }
  }

  async #commitAll(buckets: readonly WaitingBucket[]): Promise<void> {
    for (const { waiting, ...bucket } of buckets) {
      for (let start = 0; start < waiting.length; start += COMMIT_ROWS_MAX) {
        await this.#commit({ ...bucket, waiting: waiting.slice(start, start + COMMIT_ROWS_MAX) });
      }
    }
  }

  /**
   * A row that Postgres refuses, or whose number another has, stays: who can read the stream has the means to judge it. It
   * costs no other row its order, and a sale that cannot be committed now no other sale.
   */
  async #commit({ sale, address, waiting }: WaitingBucket): Promise<void> {
    const { books, log } = this.#parts;
    const place = { ...address, saleId: sale.id };
    const rows = waiting.map(({ entry, seq, attempt }) => ({ seq, ...attempt, promisedUntil: entry.holdUntil }));
    try {
      const outcome = await books.commitBatch({ ...place, rows });
      if (outcome.kind === "fenced") return;
      const decided = waiting.filter((_one, index) => outcome.verdicts[index] !== "seq_taken");
      for (const { attempt, entry } of decided) this.#forget(attempt.rid, entry);
      if (decided.length === 0) return;
      log.info({ ...place, rows: decided.length }, "queued reservations were committed without their stream");
      await books.hintEvents();
    } catch (error) {
      if (!isFault(error)) throw error;
      if (error.code === "DATABASE_REFUSED" && waiting.length > 1) {
        const half = Math.ceil(waiting.length / 2);
        await this.#commit({ sale, address, waiting: waiting.slice(0, half) });
        await this.#commit({ sale, address, waiting: waiting.slice(half) });
        return;
      }
      log.warn({ ...place, rows: rows.length, error }, "queued reservations are not committed without their stream");
    }
  }

  async #resubmitAll(): Promise<void> {
    const left = [...this.#byRid.values()].filter(({ entry }) => this.#hasMovedOn(entry));
    for (const batch of batchesOf(left)) await this.#resubmit(batch);
  }

  /** The sale's epoch is another one, and somebody decides in it. */
  #hasMovedOn(entry: UnconfirmedEntry): boolean {
    const sale = this.#parts.sales.findSale(entry.saleId);
    return sale !== null && sale.epoch > entry.address.epoch && decides(sale);
  }

  async #resubmit(batch: readonly Waiting[]): Promise<void> {
    const first = batch[0];
    const sale = first === undefined ? null : this.#parts.sales.findSale(first.entry.saleId);
    if (first === undefined || sale === null) return;
    const { saleId, address } = first.entry;
    const attempts = batch.map(({ attempt }) => attempt);
    const request = { saleId, itemId: address.itemId, epoch: sale.epoch, attempts };
    const wait = { clock: this.#parts.clock, limitMs: RESUBMIT_DEADLINE_MS, what: "handing in again" };
    const { outcomes } = await within(wait, this.#parts.resubmit(request));
    const lost: Waiting[] = [];
    for (const [index, waiting] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined || outcome.kind === "unknown") continue;
      if (outcome.kind === "accepted") this.#forget(waiting.attempt.rid, waiting.entry);
      // A pause ends; then it is tried again.
      else if (outcome.reason === "paused" || outcome.reason === "not_open") continue;
      // Postgres has it, and it has ended as orders do.
      else if (outcome.reason === "ended") this.#forget(waiting.attempt.rid, waiting.entry);
      else lost.push(waiting);
    }
    await this.#recordLost(lost);
  }

  async #recordLost(lost: readonly Waiting[]): Promise<void> {
    for (const waiting of lost) {
      const { entry, seq, attempt } = waiting;
      const row = { seq, ...attempt, promisedUntil: entry.holdUntil };
      await this.#parts.books.recordLost({ ...entry.address, saleId: entry.saleId, rows: [row] });
      this.#parts.log.warn({ rid: attempt.rid, saleId: entry.saleId }, "a queued reservation was lost with its epoch");
      this.#forget(attempt.rid, entry);
    }
  }

  /** Without an entry: whatever waits under the rid. Otherwise only if it still is that one. */
  #forget(rid: string, entry?: UnconfirmedEntry): void {
    const waiting = this.#byRid.get(rid);
    if (waiting === undefined || (entry !== undefined && waiting.entry !== entry)) return;
    this.#byRid.delete(rid);
    const { lastSeq, address, rows } = waiting.entry;
    if (lastSeq === null) return;
    const isWaiting = rows.some(({ attempt }) => this.#byRid.get(attempt.rid)?.entry === waiting.entry);
    if (!isWaiting) this.#byEntry.delete(entryKey(address, lastSeq));
  }

  /** Many at once, so that an operator reads one line and not one for each. */
  #forgetOldest(): void {
    if (this.#byRid.size <= UNCONFIRMED_MAX) return;
    const oldest = [...this.#byRid.keys()].slice(0, FORGOTTEN_AT_ONCE);
    for (const rid of oldest) this.#forget(rid);
    const forgotten = oldest.length;
    this.#parts.log.warn({ forgotten }, "too many queued attempts; the oldest are left to the workers");
  }
}

function isDraining(sale: Sale): boolean {
  return sale.mode === "draining";
}

function decides(sale: Sale): boolean {
  return sale.mode === "postgres" || sale.mode === "redis";
}

/** Batches of one item in which each buyer is once, as the ledger demands. Oldest first. */
function batchesOf(waiting: readonly Waiting[]): Waiting[][] {
  const open = new Map<number, { batch: Waiting[]; buyers: Set<string> }[]>();
  const batches: Waiting[][] = [];
  for (const each of waiting) {
    const { itemId } = each.entry.address;
    const { buyerId } = each.attempt;
    const ofItem = open.get(itemId) ?? [];
    open.set(itemId, ofItem);
    let room = ofItem.find(({ batch, buyers }) => batch.length < RESUBMIT_ATTEMPTS_MAX && !buyers.has(buyerId));
    if (room === undefined) {
      room = { batch: [], buyers: new Set() };
      ofItem.push(room);
      batches.push(room.batch);
    }
    room.batch.push(each);
    room.buyers.add(buyerId);
  }
  return batches;
}
