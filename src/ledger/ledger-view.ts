/**
 * How a sale's ledger stands, for people and alarms: mode, why, what each bucket has, what waits for its commit.
 *
 * Only looks. The figures of the buckets and those of Postgres are read one after the other while the sale runs, so they
 * are fit for a display and no proof; the proof is the auditor's. Where Redis gives no answer the buckets are unknown,
 * which is shown as unknown and never as zero.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import { type LedgerMode, type Sale, saleStateAt } from "../domain/sale.ts";
import type { Books, LedgerState } from "../ports/books.ts";
import type { BucketAddress, BucketAudit, BucketStore } from "../ports/bucket-store.ts";

/** What Redis promises before it answers; see LEDGER_DURABILITY. */
export type Durability = "always" | "everysec";

/** What PostgreSQL promises: that a confirmed order is still there after the power failed, or why it may not be. */
export interface DatabasePromise {
  /** "embedded" survives the end of the process and not a power cut; who starts it has been told. */
  readonly kind: "server" | "embedded";
  /** Why a server may forget what it confirmed; null when it does not. */
  readonly weakness: string | null;
  /** False: it is not used, and nothing is sold. */
  readonly isAccepted: boolean;
}

/** A bucket as it was found; units. */
export interface BucketStanding {
  readonly sku: string;
  readonly bucket: number;
  readonly available: number;
  readonly leased: number;
  /** Accepted in this epoch. */
  readonly reserved: number;
  readonly isOpen: boolean;
}

export interface LedgerStanding {
  readonly mode: LedgerMode;
  /** Where the sale belongs with all servers well: "redis" where Redis is configured and the sale is not over. */
  readonly wanted: "redis" | "postgres";
  readonly epoch: number;
  /** Why it is in this mode, in words for the operator. */
  readonly reason: string;
  /** Since when, milliseconds since the epoch by the database's clock. */
  readonly sinceMs: number;
  /** Returns to redis mode so far. */
  readonly flips: number;
  readonly buckets: number;
  /** Null where no Redis is configured. */
  readonly durability: Durability | null;
  readonly database: DatabasePromise;
  /** Reservations that Redis accepted and Postgres does not have yet. Null: Redis did not answer. */
  readonly backlog: number | null;
  /** Null: Redis did not answer. Empty in postgres mode. */
  readonly bucketStock: readonly BucketStanding[] | null;
}

/** Of more buckets than this, the first are shown. */
export const BUCKETS_SHOWN_MAX = 256;
const MODES_WITH_BUCKETS: readonly LedgerMode[] = ["redis", "draining", "warming"];

export interface LedgerViewParts {
  readonly books: Pick<Books, "readLedgerStates" | "readBooks">;
  readonly database: () => DatabasePromise;
  /** Null where REDIS_URL is not set. */
  readonly redis: { readonly store: Pick<BucketStore, "audit">; readonly durability: Durability } | null;
}

/** See the head of this file. */
export class LedgerView {
  readonly #parts: LedgerViewParts;

  constructor(parts: LedgerViewParts) {
    this.#parts = parts;
  }

  /** Null when the sale does not exist any more. Throws the database's faults; Redis' become unknown figures. */
  async read(sale: Sale): Promise<LedgerStanding | null> {
    return (await this.readAll([sale])).get(sale.id) ?? null;
  }

  /** The same for several sales, with one question about their modes. */
  async readAll(sales: readonly Sale[]): Promise<ReadonlyMap<SaleId, LedgerStanding>> {
    const standings = new Map<SaleId, LedgerStanding>();
    if (sales.length === 0) return standings;
    const states = await this.#parts.books.readLedgerStates(sales.map((sale) => sale.id));
    for (const state of states) {
      const sale = sales.find((candidate) => candidate.id === state.saleId);
      if (sale !== undefined) standings.set(sale.id, await this.#standingOf(sale, state));
    }
    return standings;
  }

  async #standingOf(sale: Sale, state: LedgerState): Promise<LedgerStanding> {
    const { redis } = this.#parts;
    const { mode, epoch, flips, buckets } = state;
    const isOver = saleStateAt(sale, state.nowMs) === "closed";
    const facts = {
      mode,
      wanted: redis === null || isOver ? ("postgres" as const) : ("redis" as const),
      epoch,
      reason: state.modeReason,
      sinceMs: state.modeSinceMs,
      flips,
      buckets,
      durability: redis?.durability ?? null,
      database: this.#parts.database(),
    };
    if (redis === null || !MODES_WITH_BUCKETS.includes(mode)) return { ...facts, backlog: 0, bucketStock: [] };
    const found = await this.#lookAtBuckets(sale, state, redis.store);
    if (found === null) return { ...facts, backlog: null, bucketStock: null };
    return { ...facts, backlog: await this.#backlogOf(state, found), bucketStock: found.map(standingOf) };
  }

  async #lookAtBuckets(
    sale: Sale,
    { epoch, buckets }: LedgerState,
    store: Pick<BucketStore, "audit">,
  ): Promise<readonly FoundBucket[] | null> {
    const addresses = sale.items.flatMap(({ itemId, sku }) =>
      Array.from({ length: buckets }, (_, bucket) => ({ itemId, sku, bucket })),
    );
    try {
      const audits = await Promise.all(
        addresses.slice(0, BUCKETS_SHOWN_MAX).map(async ({ sku, ...address }) => {
          return { ...address, sku, audit: await store.audit(address) };
        }),
      );
      return audits.flatMap(({ audit, ...place }) => (audit?.epoch === epoch ? [{ ...place, audit }] : []));
    } catch (error) {
      if (isFault(error)) return null;
      throw error;
    }
  }

  /** Postgres is asked after Redis, so a commit in between makes the figure smaller, never an alarm. */
  async #backlogOf({ saleId, epoch }: LedgerState, found: readonly FoundBucket[]): Promise<number> {
    const markOf = (address: BucketAddress) => findBucket(found, address)?.audit.committedSeq ?? 0;
    const booked = await this.#parts.books.readBooks({ saleId, aboveSeq: markOf });
    if (booked === null || booked.epoch !== epoch) return 0;
    let waiting = 0;
    for (const item of booked.items) {
      for (const { bucket, orders } of item.buckets) {
        const audit = findBucket(found, { itemId: item.itemId, bucket })?.audit;
        if (audit !== undefined) waiting += Math.max(0, audit.seq - audit.committedSeq - orders);
      }
    }
    return waiting;
  }
}

interface FoundBucket extends BucketAddress {
  readonly sku: string;
  readonly audit: BucketAudit;
}

function findBucket(found: readonly FoundBucket[], address: BucketAddress): FoundBucket | undefined {
  return found.find(({ itemId, bucket }) => itemId === address.itemId && bucket === address.bucket);
}

function standingOf({ sku, bucket, audit }: FoundBucket): BucketStanding {
  const { available, leased, reserved, isOpen } = audit;
  return { sku, bucket, available, leased, reserved, isOpen };
}
