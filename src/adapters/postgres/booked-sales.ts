/**
 * What Postgres knows of sales' buckets: grants per bucket beside the stock row, and for audits the orders too.
 *
 * Items and the number of buckets never change, so they are read once; everything that moves is read by one statement,
 * which is one snapshot. Sales that are asked for in the same moment are read by the same statement: whoever audits hundreds
 * of them needs few. Reads on the primary, locks nothing.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { LedgerMode } from "../../domain/sale.ts";
import type { BookedBucket, BookedItem, BookedSale, Books, GrantedItem } from "../../ports/books.ts";
import type { BucketAddress, BucketEpoch } from "../../ports/bucket-store.ts";
import type { Database } from "../../ports/database.ts";
import { AskedTogether } from "../local/asked-together.ts";

/** Sales that one statement reads; each has some 1,000 buckets at most. */
const QUESTIONS_MAX = 32;
/** Sales whose buckets are remembered; when there are more, all are read again. */
const SALES_KEPT_MAX = 4_096;

const BUCKETS = {
  name: "booked_buckets",
  text: `SELECT s.id AS "saleId", i.item_id AS "itemId", b AS bucket
           FROM sale s JOIN item i ON i.sale_id = s.id, generate_series(0, s.buckets - 1) b
          WHERE s.id = ANY ($1::text[]) ORDER BY i.position, i.item_id, b`,
};
const BOOKED = {
  name: "booked_sales",
  text: `SELECT q.question, b.sale_mode AS mode, b.sale_epoch AS epoch, now_ms() AS "takenAtMs", b.item AS "itemId",
                b.item_sku AS sku, b.total, b.free, b.granted, b.held, b.sold, b.version, b.bucket,
                b.granted_units AS "grantedUnits", b.order_count AS orders, b.order_units AS units, b.seq_max AS "seqMax"
           FROM books_of($2::integer[], $3::integer[], $4::bigint[]) b
           JOIN unnest($1::integer[]) WITH ORDINALITY q (question, place) ON q.place = b.place
           JOIN item i ON i.item_id = b.item AND i.sale_id = ($5::text[])[q.question]
          ORDER BY b.place`,
};
const GRANTED = {
  name: "granted_items",
  text: `SELECT item AS "itemId", sale_epoch AS epoch, total, free, sold, version, granted_units AS "grantedUnits"
           FROM granted_stock($1::integer[])`,
};
const SUM = { name: "sum_orders", text: "SELECT orders, units FROM booked_orders($1, $2, $3, $4, $5)" };
const MISSING = { name: "missing_seqs", text: "SELECT seq FROM missing_seqs($1, $2, $3, $4, $5, $6)" };

type BooksRequest = Parameters<Books["readBooks"]>[0];

interface BucketOfSale extends BucketAddress {
  readonly saleId: SaleId;
}

interface BookedRow extends Omit<BookedItem, "buckets">, BookedBucket {
  readonly question: number;
  readonly mode: LedgerMode;
  readonly epoch: number;
  readonly takenAtMs: number;
}

/** Answers {@link Books.readBooks}, together what is asked together. A statement that fails fails all whom it was for. */
export class BookedSales {
  readonly #database: Database;
  readonly #together: AskedTogether<BooksRequest, BookedSale | null>;
  readonly #buckets = new Map<SaleId, readonly BucketAddress[]>();

  constructor(database: Database) {
    this.#database = database;
    this.#together = new AskedTogether({ questionsMax: QUESTIONS_MAX, ask: (requests) => this.#readAll(requests) });
  }

  read(request: BooksRequest): Promise<BookedSale | null> {
    return this.#together.ask(request);
  }

  async #readAll(requests: readonly BooksRequest[]): Promise<readonly (BookedSale | null)[]> {
    const rows = await this.#readRows(requests);
    return requests.map(({ saleId }, index) => saleOf(saleId, rows.get(index + 1) ?? []));
  }

  /** By the number of the request they answer, from 1. */
  async #readRows(requests: readonly BooksRequest[]): Promise<ReadonlyMap<number, readonly BookedRow[]>> {
    const buckets = await this.#bucketsOf(requests.map(({ saleId }) => saleId));
    const asked = requests.flatMap(({ saleId, aboveSeq }, index) =>
      (buckets.get(saleId) ?? []).map((address) => ({
        ...address,
        question: index + 1,
        above: aboveSeq(address),
      })),
    );
    const rows = await this.#database.query<BookedRow>(BOOKED, [
      asked.map(({ question }) => question),
      asked.map(({ itemId }) => itemId),
      asked.map(({ bucket }) => bucket),
      asked.map(({ above }) => above),
      requests.map(({ saleId }) => saleId),
    ]);
    const byQuestion = Map.groupBy(rows, ({ question }) => question);
    // A database that was restored may know another sale under the same numbers: its answers are nobody's.
    for (const [index, { saleId }] of requests.entries()) if (!byQuestion.has(index + 1)) this.#buckets.delete(saleId);
    return byQuestion;
  }

  /** Of the sales that exist. One that is not there yet is asked for again. */
  async #bucketsOf(saleIds: readonly SaleId[]): Promise<ReadonlyMap<SaleId, readonly BucketAddress[]>> {
    const known = new Map<SaleId, readonly BucketAddress[]>();
    const unknown: SaleId[] = [];
    for (const saleId of new Set(saleIds)) {
      const buckets = this.#buckets.get(saleId);
      if (buckets === undefined) unknown.push(saleId);
      else known.set(saleId, buckets);
    }
    const rows = unknown.length === 0 ? [] : await this.#database.query<BucketOfSale>(BUCKETS, [unknown]);
    if (this.#buckets.size + unknown.length > SALES_KEPT_MAX) this.#buckets.clear();
    for (const [saleId, buckets] of Map.groupBy(rows, (row) => row.saleId)) {
      const addresses = buckets.map(({ itemId, bucket }) => ({ itemId, bucket }));
      this.#buckets.set(saleId, addresses);
      known.set(saleId, addresses);
    }
    return known;
  }
}

function saleOf(saleId: SaleId, rows: readonly BookedRow[]): BookedSale | null {
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
