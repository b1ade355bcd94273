/**
 * Finds the sale of an item in the directory, which knows sales only by their own ids.
 *
 * Remembered per directory until its next refresh, because the ledger asks for every batch and every reading of stock.
 */
import type { Sale } from "../domain/sale.ts";
import type { SaleDirectory } from "../ports/sale-directory.ts";

const indexes = new WeakMap<SaleDirectory, Map<number, Sale>>();

/** The sale as the directory knows it now; null when it does not know one with this item. */
export function saleOfItem(sales: SaleDirectory, itemId: number): Sale | null {
  return (indexes.get(sales) ?? indexOf(sales)).get(itemId) ?? null;
}

function indexOf(sales: SaleDirectory): Map<number, Sale> {
  const index = new Map<number, Sale>();
  for (const sale of sales.listSales()) for (const { itemId } of sale.items) index.set(itemId, sale);
  indexes.set(sales, index);
  const forget = sales.onRefresh(() => {
    forget();
    indexes.delete(sales);
  });
  return index;
}
