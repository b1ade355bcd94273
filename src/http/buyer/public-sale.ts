/**
 * The public face of a sale: what anybody may read, member by member, and the word for its state.
 *
 * Members are copied one by one, so that a column added to Sale can never leak by itself; stock leaves as bands only
 * (OWASP OAT-011). `empty` and `sold_out` are said only while the sale is open: before and after, they mean nothing.
 */
import type { z } from "@hono/zod-openapi";
import { availabilityOf, type Sale, type SaleState, saleStateAt } from "../../domain/sale.ts";
import type { PublicSaleSchema } from "../contract/schemas.ts";
import type { SaleStock } from "./stock-board.ts";

/** The public sale document. */
export type PublicSale = z.infer<typeof PublicSaleSchema>;

/** The document as of `nowMs`. `unit` null = the deployment is alone. */
export function toPublicSale(
  sale: Sale,
  stock: SaleStock,
  context: { nowMs: number; unit: string | null },
): PublicSale {
  const { tiers = [] } = sale.eligibility;
  return {
    id: sale.id,
    name: sale.name,
    ...(sale.description === null ? {} : { description: sale.description }),
    ...(sale.imageUrl === null ? {} : { imageUrl: sale.imageUrl }),
    state: stateOf(sale, stock, context.nowMs),
    opensAt: sale.opensAt,
    closesAt: sale.closesAt,
    ...(tiers.length === 0 ? {} : { tiers: tiers.map(({ name, opensAt }) => ({ name, opensAt })) }),
    serverNow: context.nowMs,
    ...(context.unit === null ? {} : { unit: context.unit }),
    challenge: sale.challenge,
    signature: sale.signature,
    items: sale.items.map((item) => ({
      sku: item.sku,
      name: item.name,
      price: { amount: item.price.amount, currency: item.price.currency },
      perBuyerMax: item.perBuyerMax,
      availability: availabilityOf(stock.get(item.itemId) ?? NO_STOCK),
    })),
  };
}

/** An item without a stock row has nothing to sell. */
const NO_STOCK = { free: 0, total: 0 };

function stateOf(sale: Sale, stock: SaleStock, nowMs: number): SaleState {
  const state = saleStateAt(sale, nowMs);
  if (state !== "open") return state;
  const rows = sale.items.map((item) => stock.get(item.itemId));
  if (rows.some((row) => row !== undefined && row.free > 0)) return "open";
  // Final only when every unit of every item is sold; an unpaid one may come back.
  const isFinal = rows.length > 0 && rows.every((row) => row !== undefined && row.sold === row.total);
  return isFinal ? "sold_out" : "empty";
}
