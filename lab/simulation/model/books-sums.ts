/**
 * The sums that an audit asks the books for, added up from the rows themselves.
 */
import type { SaleId } from "../../../src/domain/ids.ts";
import type { Item, Sale } from "../../../src/domain/sale.ts";
import type { BookedBucket, BookedItem, Books, GrantedItem, LedgerState } from "../../../src/ports/books.ts";
import type { BucketEpoch } from "../../../src/ports/bucket-store.ts";
import type { OrderRow, TablesData } from "./books-tables.ts";

/** Units of an order that its epoch was granted: an over-issued one had none. */
export function bookedUnits(row: OrderRow): number {
  return row.reason === "over_issue" ? 0 : row.quantity;
}

export function isInBucket(row: BucketEpoch, address: BucketEpoch): boolean {
  return row.itemId === address.itemId && row.epoch === address.epoch && row.bucket === address.bucket;
}

/** One item with its buckets, orders counted above the number that the request names. */
export function bookItem(
  data: TablesData,
  sale: Sale,
  item: Item,
  request: Pick<Parameters<Books["readBooks"]>[0], "aboveSeq">,
): BookedItem {
  const { itemId, sku } = item;
  const stock = data.stock.get(itemId) ?? { total: 0, free: 0, granted: 0, held: 0, sold: 0, version: 0 };
  const { total, free, granted, held, sold, version } = stock;
  const buckets = Array.from({ length: sale.buckets }, (_, bucket) => {
    const aboveSeq = request.aboveSeq({ itemId, bucket });
    return bookBucket(data, { itemId, bucket, epoch: sale.epoch }, aboveSeq);
  });
  return { itemId, sku, total, free, granted, held, sold, version, buckets };
}

function bookBucket(data: TablesData, address: BucketEpoch, aboveSeq: number): BookedBucket {
  const sums = { grantedUnits: 0, orders: 0, units: 0, seqMax: 0 };
  for (const row of data.grants.values()) {
    const isHere = row.itemId === address.itemId && row.bucket === address.bucket && row.epoch === address.epoch;
    if (isHere && row.state !== "void") sums.grantedUnits += row.moved;
  }
  for (const row of data.orders.values()) {
    if (!isInBucket(row, address)) continue;
    sums.seqMax = Math.max(sums.seqMax, row.seq);
    if (row.seq <= aboveSeq) continue;
    sums.orders += 1;
    sums.units += bookedUnits(row);
  }
  return { bucket: address.bucket, ...sums };
}

/** What was granted to the buckets of these items, in the order of their ids. */
export function grantedItems(data: TablesData, itemIds: readonly number[]): readonly GrantedItem[] {
  const noOrders = { aboveSeq: () => Number.MAX_SAFE_INTEGER };
  const items = [...data.sales.values()].flatMap(({ sale }) => sale.items.map((item) => ({ sale, item })));
  return items
    .filter(({ item }) => itemIds.includes(item.itemId))
    .map(({ sale, item }) => {
      const { itemId, total, free, sold, version, buckets } = bookItem(data, sale, item, noOrders);
      const grantedUnits = buckets.map((bucket) => bucket.grantedUnits);
      return { itemId, epoch: sale.epoch, total, free, sold, version, grantedUnits };
    })
    .sort((one, other) => one.itemId - other.itemId);
}

/** How the sale's ledger stands; nothing when there is no such sale. */
export function ledgerState(data: TablesData, saleId: SaleId, nowMs: number): readonly LedgerState[] {
  const row = data.sales.get(saleId);
  if (row === undefined) return [];
  const { sale, modeSinceMs, modeReason, entries } = row;
  const { mode, epoch, buckets } = sale;
  const flips = Math.max(0, entries - 1);
  const state = { saleId, mode, epoch, buckets, flips, modeSinceMs, modeReason, nowMs };
  return [{ ...state, isRelayDue: isRelayDue(data, sale) }];
}

/** Whether something waits to be brought to the buckets of a sale in redis mode. */
function isRelayDue(data: TablesData, sale: Sale): boolean {
  if (sale.mode !== "redis") return false;
  const isOwn = (row: { readonly saleId: string; readonly epoch: number }): boolean =>
    row.saleId === sale.id && row.epoch === sale.epoch;
  const hasGrants = [...data.grants.values()].some((row) => isOwn(row) && row.state === "new");
  const hasNotes = [...data.notes.values()].some(isOwn);
  return hasGrants || hasNotes || sale.items.some(({ itemId }) => (data.stock.get(itemId)?.free ?? 0) > 0);
}

/** Count and units of the orders with `afterSeq < seq ≤ throughSeq`. */
export function sumOrders(
  data: TablesData,
  request: BucketEpoch & { readonly afterSeq: number; readonly throughSeq: number },
): { readonly orders: number; readonly units: number } {
  const rows = [...data.orders.values()].filter(
    (row) => isInBucket(row, request) && row.seq > request.afterSeq && row.seq <= request.throughSeq,
  );
  return { orders: rows.length, units: rows.reduce((sum, row) => sum + bookedUnits(row), 0) };
}
