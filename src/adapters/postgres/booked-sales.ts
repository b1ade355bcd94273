/**
 * What Postgres knows of sales' buckets: grants per bucket beside the stock row, and for audits the orders too.
 *
 * Items and the number of buckets never change, so they are read first; everything that moves is read by one statement,
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

const BUCKETS = {
  name: "booked_buckets",
  text: `SELECT q.n AS question, i.item_id AS "itemId", b AS bucket
           FROM unnest($1::text[]) WITH ORDINALITY q (sale_id, n)
           JOIN sale s ON s.id = q.sale_id JOIN item i ON i.sale_id = s.id, generate_series(0, s.buckets - 1) b
          ORDER BY q.n, i.position, i.item_id, b`,
};
const BOOKED = {
  name: "booked_sales",
  text: `SELECT q.question, b.sale_mode AS mode, b.sale_epoch AS epoch, now_ms() AS "takenAtMs", b.item AS "itemId",
                b.item_sku AS sku, b.total, b.free, b.granted, b.held, b.sold, b.version, b.bucket,
                b.granted_units AS "grantedUnits", b.order_count AS orders, b.order_units AS units, b.seq_max AS "seqMax"
           FROM books_of($2::integer[], $3::integer[], $4::bigint[]) b
           JOIN unnest($1::integer[]) WITH ORDINALITY q (question, place) ON q.place = b.place
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

/** `question`: which of those that are read together, from 1. */
interface AskedBucket extends BucketAddress {
  readonly question: number;
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

  async #readRows(requests: readonly BooksRequest[]): Promise<ReadonlyMap<number, readonly BookedRow[]>> {
    const asked = await this.#database.query<AskedBucket>(BUCKETS, [requests.map(({ saleId }) => saleId)]);
    const rows = await this.#database.query<BookedRow>(BOOKED, [
      asked.map(({ question }) => question),
      asked.map(({ itemId }) => itemId),
      asked.map(({ bucket }) => bucket),
      asked.map(({ question, ...address }) => requests[question - 1]?.aboveSeq(address) ?? 0),
    ]);
    return Map.groupBy(rows, ({ question }) => question);
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
