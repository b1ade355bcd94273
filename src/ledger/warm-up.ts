/**
 * Prepares the buckets of a sale in `warming`: empty, then filled with what Postgres knows, then given units; gates shut.
 *
 * Nobody sells meanwhile, so it goes as fast as both sides allow: while pages are read from Postgres, those before are on
 * their way to Redis. A buyer's units are added up from the very reservations that were loaded, not read separately: a
 * hold that ends in between is told by a note later, and is then subtracted exactly once. Repeating it all is harmless.
 */
import { Fault } from "../domain/faults.ts";
import type { Item, Sale } from "../domain/sale.ts";
import type { Books } from "../ports/books.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import { bucketOf } from "./bucket-of.ts";
import { bucketSettingsOf } from "./bucket-settings.ts";
import type { Relay } from "./relay.ts";

const PAGE_ROWS = 2_000;
const LOADS_IN_FLIGHT_MAX = 4;

type Load = Parameters<BucketStore["load"]>[0];

export interface WarmUpParts {
  readonly store: Pick<BucketStore, "prepare" | "load">;
  readonly books: Pick<Books, "readReservations">;
  readonly relay: Pick<Relay, "run">;
  /** Asked between the steps; throws to end it. */
  readonly check: () => void;
}

/** Makes every bucket of the sale ready but for its gate. Throws the faults of both sides: then the epoch is useless. */
export async function warmUpBuckets(sale: Sale, parts: WarmUpParts): Promise<void> {
  for (const item of sale.items) {
    for (let bucket = 0; bucket < sale.buckets; bucket += 1) {
      parts.check();
      const address = { itemId: item.itemId, bucket, epoch: sale.epoch };
      const settings = bucketSettingsOf(sale, item);
      const isPrepared = await parts.store.prepare({ ...address, saleId: sale.id, settings });
      if (!isPrepared) throw new Fault("LEDGER_FENCED", { internal: `bucket ${bucket} is in a later epoch, or open` });
    }
  }
  for (const item of sale.items) await loadItem(sale, item, parts);
  parts.check();
  await parts.relay.run(sale);
}

async function loadItem(sale: Sale, item: Item, parts: WarmUpParts): Promise<void> {
  const loads = new Pipeline(parts.store);
  const units = new Map<string, number>();
  const base = { itemId: item.itemId, epoch: sale.epoch };
  for (let cursor: string | null = ""; cursor !== null; ) {
    parts.check();
    const page: Awaited<ReturnType<Books["readReservations"]>> = await parts.books.readReservations({
      itemId: item.itemId,
      cursor,
      rowsMax: PAGE_ROWS,
    });
    for (const { buyerId, quantity, hasEnded } of page.reservations) {
      if (!hasEnded) units.set(buyerId, (units.get(buyerId) ?? 0) + quantity);
    }
    for (const [bucket, reservations] of byBucket(page.reservations, sale.buckets)) {
      await loads.add({ ...base, bucket, buyers: [], reservations });
    }
    cursor = page.next;
  }
  for (const buyers of pagesOf(units)) {
    parts.check();
    for (const [bucket, share] of byBucket(buyers, sale.buckets)) {
      await loads.add({ ...base, bucket, buyers: share, reservations: [] });
    }
  }
  await loads.end();
}

/** A few loads under way at once; the first failure is thrown at the next step. */
class Pipeline {
  readonly #store: Pick<BucketStore, "load">;
  readonly #flights = new Set<Promise<void>>();
  #failures: unknown[] = [];

  constructor(store: Pick<BucketStore, "load">) {
    this.#store = store;
  }

  async add(load: Load): Promise<void> {
    const flight: Promise<void> = this.#store
      .load(load)
      .catch((error: unknown) => {
        this.#failures.push(error);
      })
      .finally(() => this.#flights.delete(flight));
    this.#flights.add(flight);
    if (this.#flights.size >= LOADS_IN_FLIGHT_MAX) await Promise.race(this.#flights);
    this.#throwFailure();
  }

  async end(): Promise<void> {
    await Promise.all(this.#flights);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

function byBucket<Row extends { readonly buyerId: string }>(
  rows: readonly Row[],
  buckets: number,
): ReadonlyMap<number, Row[]> {
  const shares = new Map<number, Row[]>();
  for (const row of rows) {
    const bucket = bucketOf(row.buyerId, buckets);
    const share = shares.get(bucket);
    if (share === undefined) shares.set(bucket, [row]);
    else share.push(row);
  }
  return shares;
}

function* pagesOf(units: ReadonlyMap<string, number>): Generator<{ buyerId: string; quantity: number }[]> {
  let page: { buyerId: string; quantity: number }[] = [];
  for (const [buyerId, quantity] of units) {
    page.push({ buyerId, quantity });
    if (page.length < PAGE_ROWS) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
