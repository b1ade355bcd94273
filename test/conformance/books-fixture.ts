/**
 * What the suites of the books need: sales in redis mode with lent units, rows as buckets accept them, and the equations.
 *
 * No Redis here: a bucket is only what it would have said. The equations are recomputed from the rows themselves, never
 * from the functions under test.
 */
import assert from "node:assert/strict";
import { PostgresBooks } from "../../src/adapters/postgres/postgres-books.ts";
import type { BuyerId, SaleId } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Books, CommitBatch, CommitRow } from "../../src/ports/books.ts";
import type { Stock } from "../../src/ports/ledger.ts";
import { buyerOf, itemIdOf, type LedgerFixture, openSale, present, ridOf } from "./ledger-fixture.ts";

export interface BooksFixture extends LedgerFixture {
  readonly books: Books;
}

export async function withBooks<Fixture extends LedgerFixture>(
  open: () => Promise<Fixture>,
): Promise<Fixture & BooksFixture> {
  const fixture = await open();
  return { ...fixture, books: new PostgresBooks(fixture.database) };
}

/** A sale in redis mode whose units are all lent, each item's to its bucket 0, and settled. */
export async function openRedisSale(
  fixture: BooksFixture,
  options: Parameters<typeof openSale>[1] & { readonly lentUnits?: number },
): Promise<Sale> {
  const { books, sales } = fixture;
  const { lentUnits = Number.MAX_SAFE_INTEGER, ...saleOptions } = options;
  const made = await openSale(fixture, saleOptions);
  assert.ok(await books.fence({ saleId: made.id, seenEpoch: made.epoch, mode: "warming", reason: "test" }));
  const epoch = made.epoch + 1;
  for (const [index, stock] of options.stocks.entries()) {
    const units = Math.min(stock, lentUnits);
    if (units === 0) continue;
    const grantId = `first-${made.id}-${index}`;
    const address = { saleId: made.id, itemId: itemIdOf(made, index), bucket: 0, epoch };
    assert.equal(present(await books.placeGrant({ ...address, grantId, units })).units, units);
    await books.settleGrant({ grantId, movedUnits: units });
  }
  const change = { saleId: made.id, epoch, from: "warming", to: "redis", reason: "test" } as const;
  assert.ok(await books.changeMode(change));
  return present(await sales.findSale(made.id));
}

/** A row as bucket 0 would have accepted it: number, buyer and key say which, the promise is what the database would give. */
export function rowOf(
  sale: Sale,
  wish: { seq: number; buyer?: BuyerId; key?: string; quantity?: number; promisedUntil?: number },
): CommitRow {
  const buyerId = wish.buyer ?? buyerOf(wish.seq);
  return {
    seq: wish.seq,
    rid: ridOf(sale, buyerId, wish.key ?? "k"),
    buyerId,
    quantity: wish.quantity ?? 1,
    promisedUntil: wish.promisedUntil ?? Date.now() + sale.holdMs,
  };
}

/** Rows of as many buyers with the numbers from `first` on. */
export function rowsOf(sale: Sale, range: { first: number; count: number; quantity?: number }): CommitRow[] {
  const { first, count, quantity = 1 } = range;
  return Array.from({ length: count }, (_, index) => rowOf(sale, { seq: first + index, quantity }));
}

/** A batch for an item's bucket 0 in the sale's epoch, unless told otherwise. */
export function batchOf(
  sale: Sale,
  rows: readonly CommitRow[],
  where: { index?: number; bucket?: number; epoch?: number } = {},
): CommitBatch {
  const { index = 0, bucket = 0, epoch = sale.epoch } = where;
  return { saleId: sale.id, itemId: itemIdOf(sale, index), bucket, epoch, rows };
}

/** Commits and answers the verdicts, or "fenced". */
export async function verdictsOf(books: Books, batch: CommitBatch): Promise<readonly string[] | "fenced"> {
  const outcome = await books.commitBatch(batch);
  return outcome.kind === "fenced" ? "fenced" : outcome.verdicts;
}

/** The stock row of an item. */
export async function stockRowOf(fixture: LedgerFixture, sale: Sale, index = 0): Promise<Stock> {
  return present((await fixture.ledger.readStock([itemIdOf(sale, index)]))[0]);
}

interface Equation {
  readonly item_id: number;
  readonly stock: readonly number[];
  readonly orders: readonly number[];
  readonly lent: number;
  readonly numbers: readonly number[];
  readonly strays: number;
}

const EQUATIONS = {
  text: `SELECT k.item_id,
           json_build_array(k.total - k.free - k.granted - k.held - k.sold, k.held, k.sold) AS stock,
           json_build_array(0, (SELECT coalesce(sum(quantity), 0) FROM orders o WHERE o.item_id = k.item_id
                              AND o.status IN ('held', 'expiring')),
                            (SELECT coalesce(sum(quantity), 0) FROM orders o WHERE o.item_id = k.item_id
                              AND o.status = 'paid')) AS orders,
           CASE WHEN s.mode IN ('redis', 'draining', 'warming') THEN
             (SELECT coalesce(sum(moved), 0) FROM grant_log g WHERE g.item_id = k.item_id AND g.epoch = s.epoch
                 AND g.state <> 'void')
             - (SELECT coalesce(sum(quantity), 0) FROM orders o WHERE o.item_id = k.item_id AND o.epoch = s.epoch
                   AND o.reason IS DISTINCT FROM 'over_issue') ELSE 0 END - k.granted AS lent,
           json_build_array(k.seq, (SELECT count(*) FROM orders o WHERE o.item_id = k.item_id AND o.epoch = s.epoch)) AS numbers,
           (SELECT count(*) FROM buyer_hold h FULL JOIN (
               SELECT buyer_id, sum(quantity) AS units FROM orders o WHERE o.item_id = k.item_id
                  AND o.status IN ('held', 'expiring', 'paid') GROUP BY buyer_id) own
               ON own.buyer_id = h.buyer_id AND h.item_id = k.item_id
             WHERE (h.item_id = k.item_id OR h.item_id IS NULL)
               AND coalesce(h.quantity, 0) <> coalesce(own.units, 0)) AS strays
         FROM stock k JOIN item i ON i.item_id = k.item_id JOIN sale s ON s.id = i.sale_id WHERE s.id = $1`,
};

/** P1, P2, the sums of orders, every buyer's units and the count of numbers, for every item of the sale. */
export async function assertEquations(fixture: LedgerFixture, saleId: SaleId): Promise<void> {
  const rows = await fixture.database.query<Equation>(EQUATIONS, [saleId]);
  assert.ok(rows.length > 0, "the sale has no stock");
  for (const row of rows) {
    assert.deepEqual(row.stock, row.orders, `item ${row.item_id}: stock and orders`);
    assert.equal(Number(row.lent), 0, `item ${row.item_id}: granted is not grants minus orders (P2)`);
    assert.equal(row.numbers[0], row.numbers[1], `item ${row.item_id}: numbers counted and numbers there are`);
    assert.equal(Number(row.strays), 0, `item ${row.item_id}: buyers whose units differ`);
  }
}
