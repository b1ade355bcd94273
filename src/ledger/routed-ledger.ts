/**
 * The ledger of a node: hands each batch to whoever decides about its sale now, Postgres or the buckets.
 *
 * While nobody sells (draining, warming) or a gate is shut, a batch waits here for the catalogue to say what comes next,
 * so that a change of mode costs buyers a pause and not an error. Only what is certainly not reserved waits and goes
 * elsewhere; an unknown outcome goes back to the batcher, which resends the same rids. Safe without being right: an old
 * idea of the mode is refused by the epoch on either side.
 */
import { Fault, isFault } from "../domain/faults.ts";
import type { BuyerId, Rid } from "../domain/ids.ts";
import type { LedgerMode, Sale } from "../domain/sale.ts";
import type { Clock } from "../ports/clock.ts";
import type { BatchOutcome, HoldersPage, Ledger, QueuedReservation, ReserveBatch, Stock } from "../ports/ledger.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";
import { postgresCursorOf } from "./bucket-holders.ts";
import type { BucketLedger } from "./bucket-ledger.ts";
import { saleOfItem } from "./sale-of-item.ts";

/** How long a batch waits for somebody to sell; the batcher calls again. */
export const MODE_WAIT_MS_MAX = 1_500;
/** A gate opens a moment after the mode has changed: how long until the next try, unless the catalogue changes before. */
const GATE_LOOK_INTERVAL_MS = 50;

/** What the router needs of the buckets' ledger. */
export type RoutedBuckets = Pick<
  BucketLedger,
  "reserve" | "readStock" | "readHolders" | "findQueued" | "certainUnits" | "routeResubmissions"
>;

export interface RoutedLedgerParts {
  readonly postgres: Ledger;
  /** Null on a node without REDIS_URL. */
  readonly redis: RoutedBuckets | null;
  readonly sales: SaleDirectory;
  readonly clock: Clock;
}

/** See the head of this file. */
export class RoutedLedger implements Ledger {
  readonly #parts: RoutedLedgerParts;

  constructor(parts: RoutedLedgerParts) {
    this.#parts = parts;
    parts.redis?.routeResubmissions((batch) => this.reserve(batch));
  }

  async reserve(batch: ReserveBatch): Promise<BatchOutcome> {
    const { sales, clock } = this.#parts;
    const deadlineMs = clock.monotonicMs() + MODE_WAIT_MS_MAX;
    let asked = batch;
    for (;;) {
      const seen = sales.findSale(batch.saleId);
      const mode = seen?.mode ?? "postgres";
      if (mode === "postgres") return this.#parts.postgres.reserve(asked);
      if (mode === "redis") {
        const answer = await this.#reserveInBuckets(asked);
        if (answer !== null) return answer;
      }
      // Who asks in an epoch that is not even ours has to look for himself.
      const isOurs = seen === null || seen.epoch === asked.epoch;
      await this.#nextLook(seen, { deadlineMs: isOurs && mode !== "closed" ? deadlineMs : 0, batch, mode });
      asked = { ...batch, epoch: sales.findSale(batch.saleId)?.epoch ?? batch.epoch };
    }
  }

  /** Null: no bucket took the batch, so nothing happened. */
  async #reserveInBuckets(batch: ReserveBatch): Promise<BatchOutcome | null> {
    const { redis } = this.#parts;
    if (redis === null) {
      throw new Fault("LEDGER_UNAVAILABLE", { internal: "the sale is in redis mode, this node has no REDIS_URL" });
    }
    try {
      return await redis.reserve(batch);
    } catch (error) {
      if (isFault(error, "LEDGER_FENCED") || isFault(error, "LEDGER_BUCKET_MISSING")) return null;
      throw error;
    }
  }

  /** Resolves when the sale has another mode or epoch, or after a moment; throws when the waiting time is over. */
  async #nextLook(
    seen: Sale | null,
    wait: { readonly deadlineMs: number; readonly batch: ReserveBatch; readonly mode: LedgerMode },
  ): Promise<void> {
    const { sales, clock } = this.#parts;
    const restMs = wait.deadlineMs - clock.monotonicMs();
    if (restMs <= 0) {
      throw new Fault("LEDGER_FENCED", { internal: `sale ${wait.batch.saleId} is ${wait.mode}, nobody sells` });
    }
    await new Promise<void>((resolve) => {
      const finish = () => {
        cancel();
        unsubscribe();
        resolve();
      };
      const delayMs = Math.min(restMs, wait.mode === "redis" ? GATE_LOOK_INTERVAL_MS : restMs);
      const cancel = clock.setTimer(delayMs, finish);
      const unsubscribe = sales.onRefresh(() => {
        const now = sales.findSale(wait.batch.saleId);
        if (now?.mode !== seen?.mode || now?.epoch !== seen?.epoch) finish();
      });
      // A failed refresh changes nothing: the catalogue's own poll goes on, and the wait has an end.
      sales.refresh().catch(() => undefined);
    });
  }

  async readStock(itemIds: readonly number[]): Promise<readonly Stock[]> {
    const { postgres, redis, sales } = this.#parts;
    const inBuckets: number[] = [];
    const draining = new Set<number>();
    const inPostgres: number[] = [];
    for (const itemId of itemIds) {
      const mode = saleOfItem(sales, itemId)?.mode ?? "postgres";
      if (mode === "redis" && redis !== null) {
        inBuckets.push(itemId);
      } else {
        inPostgres.push(itemId);
        if (mode === "draining") draining.add(itemId);
      }
    }
    // An item whose buckets do not answer has no stock now; that is no reason to know nothing of the others.
    const theirs = inBuckets.length === 0 || redis === null ? null : settled(redis.readStock(inBuckets));
    const own = inPostgres.length === 0 ? [] : await postgres.readStock(inPostgres);
    const ofBuckets = await theirs;
    if (ofBuckets?.status === "rejected" && own.length === 0) throw ofBuckets.reason;
    const inside = ofBuckets?.status === "fulfilled" ? ofBuckets.value : [];
    return [...own.map((stock) => (draining.has(stock.itemId) ? withUnknownSeq(stock) : stock)), ...inside];
  }

  readHolders(request: { itemId: number; cursor: string; rowsMax: number }): Promise<HoldersPage> {
    const { postgres, redis, sales } = this.#parts;
    const mode = saleOfItem(sales, request.itemId)?.mode ?? "postgres";
    // While draining, acceptances are still only in the streams.
    if ((mode === "redis" || mode === "draining") && redis !== null) return redis.readHolders(request);
    return postgres.readHolders({ ...request, cursor: postgresCursorOf(request.cursor) });
  }

  async findQueued(request: { rid: Rid; buyerId: BuyerId }): Promise<QueuedReservation | null> {
    return (await this.#parts.redis?.findQueued(request)) ?? null;
  }

  certainUnits(itemId: number): number | null {
    const { redis, sales } = this.#parts;
    if (redis === null || saleOfItem(sales, itemId)?.mode !== "redis") return null;
    return redis.certainUnits(itemId);
  }
}

async function settled<Value>(work: Promise<Value>): Promise<PromiseSettledResult<Value>> {
  const [result] = await Promise.allSettled([work]);
  return result;
}

/**
 * While a sale drains Postgres does not know how many acceptances the epoch has. When it shows nothing left, all of them
 * are committed: then reading every holder is enough, and an earlier reading is not. While it warms up the epoch has
 * none, and its number must not claim the ones that buckets will make in the same epoch.
 */
export function withUnknownSeq(stock: Stock): Stock {
  return { ...stock, seq: Number.MAX_SAFE_INTEGER };
}
