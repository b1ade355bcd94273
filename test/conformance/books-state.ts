/**
 * Everything the database stores about a sale beside everything the model has, row by row.
 *
 * Left out are texts that only people read, and the numbers of what has no number (epoch 0).
 */
import assert from "node:assert/strict";
import type { BooksModel } from "../../lab/simulation/model/books-model.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import type { Database } from "../../src/ports/database.ts";

type Row = readonly (string | number | null)[];

interface State {
  readonly sale: Row;
  readonly stock: readonly Row[];
  readonly orders: readonly Row[];
  readonly holds: readonly Row[];
  readonly grants: readonly Row[];
  readonly notes: readonly Row[];
}

const STATE = {
  name: "books_state",
  text: `SELECT json_build_object(
    'sale', json_build_array(s.mode, s.epoch, s.revision, s.flips, s.mode_since, s.mode_reason),
    'stock', (SELECT json_agg(json_build_array(k.item_id, k.total, k.free, k.granted, k.held, k.sold, k.version, k.seq)
                              ORDER BY k.item_id)
                FROM stock k JOIN item i ON i.item_id = k.item_id WHERE i.sale_id = s.id),
    'orders', (SELECT coalesce(json_agg(json_build_array(o.rid, o.item_id, o.buyer_id, o.quantity, o.epoch, o.bucket,
                                 CASE WHEN o.epoch = 0 THEN 0 ELSE o.seq END, o.status, o.hold_until, o.payment_id,
                                 CASE WHEN o.status IN ('void', 'lost') THEN o.reason END, o.created_at)
                               ORDER BY o.rid COLLATE "C"), '[]') FROM orders o WHERE o.sale_id = s.id),
    'holds', (SELECT coalesce(json_agg(json_build_array(h.item_id, h.buyer_id, h.quantity)
                              ORDER BY h.item_id, h.buyer_id COLLATE "C"), '[]')
                FROM buyer_hold h JOIN item i ON i.item_id = h.item_id WHERE i.sale_id = s.id AND h.quantity > 0),
    'grants', (SELECT coalesce(json_agg(json_build_array(g.grant_id, g.item_id, g.bucket, g.epoch, g.units, g.moved,
                                 CASE g.state WHEN 'open' THEN 'new' ELSE g.state END) ORDER BY g.number), '[]')
                FROM grant_log g WHERE g.sale_id = s.id),
    'notes', (SELECT coalesce(json_agg(json_build_array(n.item_id, n.epoch, n.kind, n.rid, n.buyer_id, n.quantity)
                              ORDER BY n.rid COLLATE "C", n.note_id), '[]') FROM bucket_note n WHERE n.sale_id = s.id)
  ) AS state FROM sale s WHERE s.id = $1`,
};

/** Throws, naming the table, unless both hold the same. */
export async function compareStates(options: { database: Database; model: BooksModel; saleId: SaleId }): Promise<void> {
  const [row] = await options.database.query<{ state: State }>(STATE, [options.saleId]);
  const expected = await modelState(options.model, options.saleId);
  for (const table of Object.keys(expected) as (keyof State)[]) {
    assert.deepEqual(row?.state[table], expected[table], `${table}: database, then model`);
  }
}

async function modelState(model: BooksModel, saleId: SaleId): Promise<State> {
  const { data } = model.tables;
  const { sale, modeSinceMs, modeReason } = model.tables.saleRow(saleId);
  const [state] = await model.readLedgerStates([saleId]);
  return {
    sale: [sale.mode, sale.epoch, sale.revision, state?.flips ?? null, modeSinceMs, modeReason],
    stock: [...data.stock.values()].map((row) => {
      return [row.itemId, row.total, row.free, row.granted, row.held, row.sold, row.version, row.seq];
    }),
    orders: [...data.orders.values()].sort(byText((row) => row.rid)).map((row) => {
      const isOver = row.status === "void" || row.status === "lost";
      const where = [row.epoch, row.bucket, row.epoch === 0 ? 0 : row.seq];
      const reason = isOver ? row.reason : null;
      const head = [row.rid, row.itemId, row.buyerId, row.quantity];
      return [...head, ...where, row.status, row.holdUntil, row.paymentId, reason, row.createdAt];
    }),
    holds: [...data.holds.values()]
      .filter((row) => row.quantity > 0)
      .sort(byText((row) => row.buyerId))
      .sort((left, right) => left.itemId - right.itemId)
      .map((row) => [row.itemId, row.buyerId, row.quantity]),
    grants: [...data.grants.values()].map((row) => {
      return [row.grantId, row.itemId, row.bucket, row.epoch, row.units, row.moved, row.state];
    }),
    // A statement notes many orders in no order of its own; the notes of one order stay in theirs.
    notes: [...data.notes.values()].sort(byText((row) => row.rid)).map((row) => {
      return [row.itemId, row.epoch, row.kind, row.rid, row.buyerId, row.quantity];
    }),
  };
}

function byText<Item>(textOf: (item: Item) => string): (left: Item, right: Item) => number {
  return (left, right) => (textOf(left) < textOf(right) ? -1 : 1);
}
