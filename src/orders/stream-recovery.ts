/**
 * Makes orders again of what Postgres has forgotten: `doorbuster recover SALE --from-stream`.
 *
 * After a restore of an old backup the buckets' streams know acceptances that were committed once; they are kept for a
 * quarter of an hour for this. They are committed again in a new epoch, later than any that Redis or Postgres ever saw:
 * units are granted for them, as for a bucket, and become held. What Postgres still has is left alone, so this can be
 * repeated. Payments that were forgotten too are not in the streams: the provider has them (docs/operating/redis.md).
 */
import { Fault, isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import type { Books, CommitRow, LedgerState } from "../ports/books.ts";
import type { BucketAddress, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { BatchCommitter } from "./batch-committer.ts";
import { takeBatch } from "./entry-rows.ts";

/** The sale waits for its operator while its reason begins with this; nobody sells, and nobody else changes the mode. */
export const ROLLED_BACK = "POSTGRES_ROLLED_BACK";
const RECOVERING = `${ROLLED_BACK}: being recovered from the streams`;
const ENTRIES_PER_READ = 256;
/** An epoch that is so far ahead is no epoch of ours. */
const EPOCHS_AHEAD_MAX = 1_000;

export interface RecoveryReport {
  readonly saleId: SaleId;
  /** The epoch in which what is found was committed again; the sale is in the one after it. */
  readonly epoch: number;
  /** Acceptances in the streams, those that Postgres still had, those that are orders again, those that are void. */
  readonly found: number;
  readonly known: number;
  readonly recovered: number;
  readonly voided: number;
}

export interface StreamRecoveryParts {
  readonly store: Pick<BucketStore, "audit" | "setGate" | "readFrom">;
  readonly books: Books;
  readonly orders: Pick<OrderStore, "listOrdersByRid">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What is missing in Postgres of one bucket. */
interface Share extends BucketAddress {
  readonly rows: readonly CommitRow[];
}

/** See the head of this file. */
export class StreamRecovery {
  readonly #parts: StreamRecoveryParts;
  readonly #committer: BatchCommitter;

  constructor(parts: StreamRecoveryParts) {
    this.#parts = parts;
    // The sale is stopped already, so there is nothing to raise an alarm for.
    this.#committer = new BatchCommitter({ ...parts, alarm: { raise: async () => undefined } });
  }

  /** Throws SALE_CONFLICT when another process changes the sale's mode meanwhile, and the faults of both sides. */
  async recover(sale: Sale): Promise<RecoveryReport> {
    const { books, log } = this.#parts;
    const pastEpochs = await this.#closeBuckets(sale);
    const epoch = await this.#openEpoch(sale, Math.max(0, ...pastEpochs.values()));
    const shares: Share[] = [];
    let found = 0;
    let known = 0;
    for (const [address, pastEpoch] of pastEpochs) {
      const share = await this.#readShare(address, pastEpoch);
      found += share.found;
      known += share.found - share.rows.length;
      if (share.rows.length > 0) shares.push({ ...address, rows: share.rows });
    }
    for (const share of shares) await this.#grant(sale, epoch, share);
    await this.#beginCommitting(sale, epoch);
    const tally = { recovered: 0, voided: 0 };
    for (const share of shares) await this.#commit(sale, epoch, { share, tally });
    const reason = `recovered ${tally.recovered} orders from the streams`;
    await books.fence({ saleId: sale.id, seenEpoch: epoch, mode: "postgres", reason });
    const report = { saleId: sale.id, epoch, found, known, ...tally };
    log.info(report, "a sale was recovered from its streams");
    return report;
  }

  /** Shuts every gate that answers; the epoch in which each bucket is. */
  async #closeBuckets(sale: Sale): Promise<ReadonlyMap<BucketAddress, number>> {
    const { store, log } = this.#parts;
    const epochs = new Map<BucketAddress, number>();
    for (const address of bucketsOf(sale)) {
      const audit = await store.audit(address);
      if (audit === null) continue;
      epochs.set(address, audit.epoch);
      try {
        await store.setGate({ ...address, epoch: audit.epoch, isOpen: false });
      } catch (error) {
        if (!isFault(error)) throw error;
        log.debug({ ...address, error }, "a gate could not be shut; the fence does without");
      }
    }
    return epochs;
  }

  /** Fences until the sale's epoch is later than any bucket's. Nobody sells from here to the end. */
  async #openEpoch(sale: Sale, pastEpoch: number): Promise<number> {
    const { books } = this.#parts;
    let { epoch } = await this.#readState(sale.id);
    if (pastEpoch - epoch > EPOCHS_AHEAD_MAX) {
      throw new Fault("SALE_CONFLICT", { internal: `the buckets are in epoch ${pastEpoch}, Postgres in ${epoch}` });
    }
    do {
      const change = { saleId: sale.id, seenEpoch: epoch, mode: "warming", reason: RECOVERING } as const;
      if (!(await books.fence(change))) throw meanwhile();
      epoch += 1;
    } while (epoch <= pastEpoch);
    return epoch;
  }

  /** Everything in the bucket's stream that is no order, or one that was written off. */
  async #readShare(address: BucketAddress, epoch: number): Promise<{ found: number; rows: readonly CommitRow[] }> {
    const { store, orders } = this.#parts;
    const rows: CommitRow[] = [];
    let found = 0;
    for (let afterSeq = 0; ; ) {
      const entries = await store.readFrom({ ...address, epoch, afterSeq, entriesMax: ENTRIES_PER_READ });
      const last = entries.at(-1);
      if (last === undefined) return { found, rows };
      afterSeq = last.lastSeq;
      const waiting = [...entries];
      while (waiting.length > 0) {
        const batch = takeBatch(waiting);
        found += batch.rows.length;
        const there = await orders.listOrdersByRid(batch.rows.map((row) => row.rid));
        const kept = new Set(there.filter((order) => order.status !== "lost").map((order) => order.rid));
        rows.push(...batch.rows.filter((row) => !kept.has(row.rid)));
      }
    }
  }

  /** The units were taken from a bucket once; now they are granted to nobody but these orders. */
  async #grant(sale: Sale, epoch: number, { itemId, bucket, rows }: Share): Promise<void> {
    const { books, random, log } = this.#parts;
    const units = rows.reduce((sum, row) => sum + row.quantity, 0);
    const address = { saleId: sale.id, itemId, bucket, epoch };
    const grant = await books.placeGrant({ ...address, grantId: random.id(), units });
    if (grant !== null) await books.settleGrant({ grantId: grant.grantId, movedUnits: grant.units });
    if ((grant?.units ?? 0) < units) {
      log.error({ ...address, units, granted: grant?.units ?? 0 }, "fewer units are free than were accepted once");
    }
  }

  async #beginCommitting(sale: Sale, epoch: number): Promise<void> {
    const { books } = this.#parts;
    const change = { saleId: sale.id, epoch, reason: RECOVERING };
    if (!(await books.changeMode({ ...change, from: "warming", to: "redis" }))) throw meanwhile();
    if (!(await books.changeMode({ ...change, from: "redis", to: "draining" }))) throw meanwhile();
  }

  async #commit(
    sale: Sale,
    epoch: number,
    { share, tally }: { share: Share; tally: { recovered: number; voided: number } },
  ): Promise<void> {
    const { itemId, bucket } = share;
    for (let from = 0; from < share.rows.length; from += ENTRIES_PER_READ) {
      const rows = share.rows.slice(from, from + ENTRIES_PER_READ);
      const batch = { saleId: sale.id, itemId, bucket, epoch, rows, isWanted: () => true };
      for (const fate of await this.#committer.commit(batch)) {
        if (fate.kind === "fenced") throw meanwhile();
        if (fate.kind === "committed") tally.recovered += 1;
        else tally.voided += 1;
      }
    }
  }

  async #readState(saleId: SaleId): Promise<LedgerState> {
    const [state] = await this.#parts.books.readLedgerStates([saleId]);
    if (state === undefined) throw new Fault("SALE_CONFLICT", { internal: "there is no such sale" });
    return state;
  }
}

function meanwhile(): Fault {
  return new Fault("SALE_CONFLICT", { internal: "somebody changed the sale's mode meanwhile; run it again" });
}

function bucketsOf(sale: Sale): readonly BucketAddress[] {
  return sale.items.flatMap(({ itemId }) => Array.from({ length: sale.buckets }, (_, bucket) => ({ itemId, bucket })));
}
