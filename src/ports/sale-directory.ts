/**
 * Port: the sales as this process knows them, and the news that it knows more.
 *
 * The catalogue of stage 2 keeps it. A copy may be seconds old, which is harmless: whoever acts on it is checked by
 * epoch in Redis and in Postgres.
 */
import type { Sale } from "../domain/sale.ts";

export interface SaleDirectory {
  findSale(saleId: string): Sale | null;
  /** Newest first. */
  listSales(): readonly Sale[];
  /** Reads what was committed before the call. Throws what the store throws. */
  refresh(): Promise<void>;
  /** Calls back after each refresh until the returned function is called. */
  onRefresh(listener: () => void): () => void;
}
