/**
 * The stock of items whose units lie in buckets, put together from Postgres and every bucket.
 *
 * Read in an order that may count a moving unit twice and misses one only on its way home, where the stock's version
 * grows when it arrives: so nothing looks empty that is not, for longer than a version. Units that buckets accepted
 * count as held, because for a buyer they are.
 */
import { Fault } from "../domain/faults.ts";
import type { Sale } from "../domain/sale.ts";
import type { BookedItem, Books } from "../ports/books.ts";
import type { BucketAudit, BucketStore } from "../ports/bucket-store.ts";
import type { Stock } from "../ports/ledger.ts";

/**
 * The stock of some items of a sale in redis mode; null when Postgres says that the sale is in another epoch by now.
 * Throws when a bucket cannot be asked: then nothing is known.
 */
export async function readBucketStock(request: {
  readonly store: Pick<BucketStore, "audit">;
  readonly books: Pick<Books, "readBooks">;
  readonly sale: Sale;
  readonly itemIds: readonly number[];
}): Promise<readonly Stock[] | null> {
  const { store, books, sale } = request;
  const booked = await books.readBooks({ saleId: sale.id, aboveSeq: () => Number.MAX_SAFE_INTEGER });
  if (booked === null || booked.epoch !== sale.epoch) return null;
  const wanted = booked.items.filter((item) => request.itemIds.includes(item.itemId));
  return Promise.all(
    wanted.map(async (item) => {
      const buckets = Array.from({ length: sale.buckets }, (_, bucket) => bucket);
      const audits = await Promise.all(buckets.map((bucket) => store.audit({ itemId: item.itemId, bucket })));
      return stockOf(item, sale, audits);
    }),
  );
}

function stockOf(item: BookedItem, sale: Sale, audits: readonly (BucketAudit | null)[]): Stock {
  const { itemId, total, sold, version } = item;
  let { free } = item;
  let seq = 0;
  for (const [bucket, audit] of audits.entries()) {
    if (audit === null) throw new Fault("LEDGER_BUCKET_MISSING", { internal: `item ${itemId}, bucket ${bucket}` });
    if (audit.epoch !== sale.epoch) throw new Fault("LEDGER_FENCED", { internal: `bucket in ${audit.epoch}` });
    const grantedUnits = item.buckets.find((booked) => booked.bucket === bucket)?.grantedUnits ?? 0;
    const onTheWay = Math.max(0, grantedUnits - audit.grantedIn);
    free += audit.available + audit.leased + onTheWay;
    seq += audit.seq;
  }
  // What was counted twice must not make more than there is.
  free = Math.min(free, total - sold);
  return { itemId, total, free, granted: 0, held: total - free - sold, sold, version, seq, epoch: sale.epoch };
}
