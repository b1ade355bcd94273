/**
 * The stock of items whose units lie in buckets, put together from Postgres and every bucket.
 *
 * Read in an order that may count a moving unit twice and misses one only on its way home, where the stock's version
 * grows when it arrives: so nothing looks empty that is not, for longer than a version. Units that buckets accepted
 * count as held, because for a buyer they are.
 */
import { Fault } from "../domain/faults.ts";
import type { Sale } from "../domain/sale.ts";
import type { Books, GrantedItem } from "../ports/books.ts";
import type { BucketAudit, BucketStore } from "../ports/bucket-store.ts";
import type { Stock } from "../ports/ledger.ts";

/** An item of a sale in redis mode. */
export interface BucketItem {
  readonly sale: Sale;
  readonly itemId: number;
}

/**
 * The stock of items, asked of Postgres in one query however many sales they are of; without those whose sale is in another
 * epoch by now. Throws when a bucket cannot be asked: then nothing is known.
 */
export async function readBucketStock(request: {
  readonly store: Pick<BucketStore, "auditEach">;
  readonly books: Pick<Books, "readGrantedItems">;
  readonly items: readonly BucketItem[];
}): Promise<readonly Stock[]> {
  const { store, books, items } = request;
  const granted = await books.readGrantedItems({ itemIds: items.map(({ itemId }) => itemId) });
  const byId = new Map(granted.map((item) => [item.itemId, item]));
  const current = items.flatMap(({ sale, itemId }) => {
    const item = byId.get(itemId);
    return item === undefined || item.epoch !== sale.epoch ? [] : [{ sale, item }];
  });
  const addresses = current.flatMap(({ sale, item: { itemId } }) =>
    Array.from({ length: sale.buckets }, (_, bucket) => ({ itemId, bucket })),
  );
  const audits = await store.auditEach(addresses);
  let from = 0;
  return current.map(({ sale, item }) => {
    const own = audits.slice(from, from + sale.buckets);
    from += sale.buckets;
    return stockOf(item, sale, own);
  });
}

function stockOf(item: GrantedItem, sale: Sale, audits: readonly (BucketAudit | null)[]): Stock {
  const { itemId, total, sold, version } = item;
  let { free } = item;
  let seq = 0;
  for (const [bucket, audit] of audits.entries()) {
    if (audit === null) throw new Fault("LEDGER_BUCKET_MISSING", { internal: `item ${itemId}, bucket ${bucket}` });
    if (audit.epoch !== sale.epoch) throw new Fault("LEDGER_FENCED", { internal: `bucket in ${audit.epoch}` });
    const onTheWay = Math.max(0, (item.grantedUnits[bucket] ?? 0) - audit.grantedIn);
    free += audit.available + audit.leased + onTheWay;
    seq += audit.seq;
  }
  // What was counted twice must not make more than there is.
  free = Math.min(free, total - sold);
  return { itemId, total, free, granted: 0, held: total - free - sold, sold, version, seq, epoch: sale.epoch };
}
