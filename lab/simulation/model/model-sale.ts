/**
 * A sale for models and tests, and a process's own copy of the catalogue over the books model.
 */
import type { SaleId, Sku } from "../../../src/domain/ids.ts";
import type { Item, Sale } from "../../../src/domain/sale.ts";
import type { SaleDirectory } from "../../../src/ports/sale-directory.ts";
import type { BooksModel } from "./books-model.ts";

/** An item at 49 EUR. */
export function modelItem(itemId: number, perBuyerMax: number): Item {
  const price = { amount: 4_900, currency: "EUR" };
  return { itemId, sku: `sku-${itemId}` as Sku, name: `Seat ${itemId}`, price, perBuyerMax };
}

/** A sale with one item of limit 2, open for an hour from 1,800,000,000,000, in postgres mode, unless told otherwise. */
export function modelSale(changes: Partial<Sale> = {}): Sale {
  return {
    id: "sale" as SaleId,
    name: "Sale",
    description: null,
    imageUrl: null,
    phase: "scheduled",
    opensAt: 1_800_000_000_000,
    closesAt: 1_800_003_600_000,
    closedAt: null,
    holdMs: 600_000,
    perBuyerMax: 2,
    challenge: "none",
    signature: "optional",
    eligibility: {},
    mode: "postgres",
    buckets: 1,
    epoch: 1,
    revision: 1,
    createdAt: 0,
    items: [modelItem(1, 2)],
    ...changes,
  };
}

/** What one process knows of the sales: as old as its last refresh. */
export class ModelDirectory implements SaleDirectory {
  readonly #readSales: () => Promise<readonly Sale[]>;
  readonly #listeners = new Set<() => void>();
  #sales: readonly Sale[] = [];

  /** `readSales` is asked at each refresh; {@link salesOf} reads a model. */
  constructor(readSales: () => Promise<readonly Sale[]>) {
    this.#readSales = readSales;
  }

  findSale(saleId: string): Sale | null {
    return this.#sales.find((sale) => sale.id === saleId) ?? null;
  }

  listSales(): readonly Sale[] {
    return this.#sales;
  }

  async refresh(): Promise<void> {
    const sales = await this.#readSales();
    const isNewer = (sale: Sale) => sale.revision >= (this.findSale(sale.id)?.revision ?? 0);
    this.#sales = sales.map((sale) => (isNewer(sale) ? sale : (this.findSale(sale.id) ?? sale)));
    for (const listener of [...this.#listeners]) listener();
  }

  onRefresh(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** All sales of the books, newest first. */
export function salesOf(books: BooksModel): readonly Sale[] {
  return [...books.tables.data.sales.values()].map((row) => row.sale).reverse();
}
