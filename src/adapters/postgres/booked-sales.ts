/**
 * What Postgres knows of sales' buckets: grants per bucket beside the stock row, and for audits the orders too.
 *
 * Items and the number of buckets never change, so they are read first; everything that moves is read by one statement,
 * which is one snapshot. Reads on the primary, locks nothing.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { LedgerMode } from "../../domain/sale.ts";
import type { BookedBucket, BookedItem, BookedSale, Books, GrantedItem } from "../../ports/books.ts";
import type { BucketAddress, BucketEpoch } from "../../ports/bucket-store.ts";
import type { Database } from "../../ports/database.ts";

/** Beyond every sequence number: "up to the newest". */
const SEQ_MAX = Number.MAX_SAFE_INTEGER;

const BUCKETS = {
  name: "booked_buckets",
  text: `SELECT i.item_id AS "itemId", b AS bucket
           FROM sale s JOIN item i ON i.sale_id = s.id, generate_series(0, s.buckets - 1) b
          WHERE s.id = $1 ORDER BY i.position, i.item_id, b`,
};
const BOOKED = {
  name: "booked_sale",
  text: `SELECT s.mode, s.epoch, now_ms() AS "takenAtMs", i.item_id AS "itemId", i.sku, k.total, k.free, k.granted, k.held,
                k.sold, k.version, a.bucket,
                coalesce((SELECT sum(g.moved) FROM grant_log g WHERE g.item_id = a.item_id AND g.epoch = s.epoch
                             AND g.bucket = a.bucket AND g.state <> 'void'), 0)::bigint AS "grantedUnits",
                o.orders, o.units, highest_seq(a.item_id, s.epoch, a.bucket) AS "seqMax"
           FROM unnest($2::integer[], $3::integer[], $4::bigint[]) WITH ORDINALITY a (item_id, bucket, above, n)
           JOIN item i ON i.item_id = a.item_id JOIN stock k ON k.item_id = a.item_id JOIN sale s ON s.id = i.sale_id,
                booked_orders(a.item_id, s.epoch, a.bucket, a.above, ${SEQ_MAX}) o
          WHERE s.id = $1 ORDER BY a.n`,
};
const GRANTED = {
  name: "granted_items",
  text: `SELECT i.item_id AS "itemId", s.epoch, k.total, k.free, k.sold, k.version,
                ARRAY(SELECT coalesce((SELECT sum(g.moved) FROM grant_log g WHERE g.item_id = i.item_id
                                          AND g.epoch = s.epoch AND g.bucket = b AND g.state <> 'void'), 0)::integer
                        FROM generate_series(0, s.buckets - 1) b ORDER BY b) AS "grantedUnits"
           FROM item i JOIN stock k ON k.item_id = i.item_id JOIN sale s ON s.id = i.sale_id
          WHERE i.item_id = ANY ($1::integer[]) ORDER BY i.item_id`,
};
const SUM = { name: "sum_orders", text: "SELECT orders, units FROM booked_orders($1, $2, $3, $4, $5)" };
const MISSING = { name: "missing_seqs", text: "SELECT seq FROM missing_seqs($1, $2, $3, $4, $5, $6)" };

interface BookedRow extends Omit<BookedItem, "buckets">, BookedBucket {
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly takenAtMs: number;
}

/** One snapshot of the sale; see {@link Books.readBooks}. */
export async function readBookedSale(
  database: Database,
  request: { readonly saleId: SaleId; readonly aboveSeq: (address: BucketAddress) => number },
): Promise<BookedSale | null> {
  const { saleId, aboveSeq } = request;
  const addresses = await database.query<BucketAddress>(BUCKETS, [saleId]);
  const rows = await database.query<BookedRow>(BOOKED, [
    saleId,
    addresses.map((address) => address.itemId),
    addresses.map((address) => address.bucket),
    addresses.map(aboveSeq),
  ]);
  const [first] = rows;
  if (first === undefined) return null;
  const items = new Map<number, Omit<BookedItem, "buckets"> & { readonly buckets: BookedBucket[] }>();
  for (const row of rows) {
    const { itemId, sku, total, free, granted, held, sold, version } = row;
    const item = items.get(itemId) ?? { itemId, sku, total, free, granted, held, sold, version, buckets: [] };
    const { bucket, grantedUnits, orders, units, seqMax } = row;
    item.buckets.push({ bucket, grantedUnits, orders, units, seqMax });
    items.set(itemId, item);
  }
  return { saleId, mode: first.mode, epoch: first.epoch, takenAtMs: first.takenAtMs, items: [...items.values()] };
}

/** See {@link Books.readGrantedItems}. */
export function readGrantedItems(
  database: Database,
  { itemIds }: Parameters<Books["readGrantedItems"]>[0],
): Promise<readonly GrantedItem[]> {
  return database.query<GrantedItem>(GRANTED, [itemIds]);
}

/** Count and units of orders with `afterSeq < seq ≤ throughSeq`. */
export async function sumOrders(
  database: Database,
  request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number },
): ReturnType<Books["sumOrders"]> {
  const { itemId, epoch, bucket, afterSeq, throughSeq } = request;
  const values = [itemId, epoch, bucket, afterSeq, throughSeq];
  const [row] = await database.query<{ orders: number; units: number }>(SUM, values);
  return row ?? { orders: 0, units: 0 };
}

/** Numbers that no order has, in order, at most `rowsMax`. */
export async function missingSeqs(
  database: Database,
  request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number; readonly rowsMax: number },
): Promise<readonly number[]> {
  const { itemId, epoch, bucket, afterSeq, throughSeq, rowsMax } = request;
  const values = [itemId, epoch, bucket, afterSeq, throughSeq, rowsMax];
  return (await database.query<{ seq: number }>(MISSING, values)).map((row) => row.seq);
}
