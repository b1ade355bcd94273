/**
 * Stock and prices of a sale: what was promised to buyers, so in a running sale it takes two people (operator-routes.ts).
 *
 * A dry run says what an adjustment would come to, from the figures as they are now; it promises nothing and changes nothing.
 */
import { Hono } from "hono";
import { parseSaleId, parseSku, type SaleId, type Sku } from "../../domain/ids.ts";
import type { Sale } from "../../domain/sale.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { saleDocument, stockDocument } from "./documents.ts";
import { PriceSchema } from "./people-schemas.ts";
import { type OperatorProblem, problemResponse } from "./problem.ts";
import { AdjustSchema } from "./schemas.ts";

const NO_SUCH_SALE: OperatorProblem = { reason: "no_such_sale" };
const NO_SUCH_ITEM: OperatorProblem = { reason: "no_such_item" };

export function createStockRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();

  app.post("/sales/:saleId/items/:sku/adjust", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, AdjustSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const found = await findItem(context.req.param(), deps);
    if ("reason" in found) return problemResponse(found);
    const { sale, sku } = found;
    const stock = await deps.saleStore.adjustStock({ saleId: sale.id, sku, ...body.value });
    if (stock === null) return problemResponse(NO_SUCH_ITEM);
    deps.log.info({ saleId: sale.id, sku, delta: body.value.delta, reason: body.value.reason }, "stock adjusted");
    return context.json(stockDocument(sku, stock));
  });
  app.post("/sales/:saleId/items/:sku/adjust/dry-run", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, AdjustSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const found = await findItem(context.req.param(), deps);
    if ("reason" in found) return problemResponse(found);
    const [stock] = await deps.ledger.readStock([found.itemId]);
    const before = stockDocument(found.sku, stock);
    const { delta } = body.value;
    // Lent units come home for it, so they count; held and sold ones are somebody's.
    if (before.free + before.granted + delta < 0) {
      return problemResponse({ reason: "conflict", detail: "Fewer units are free than you want to take away." });
    }
    const free = Math.max(0, before.free + delta);
    const granted = before.granted + Math.min(0, before.free + delta);
    return context.json({ before, after: { ...before, total: before.total + delta, free, granted } });
  });
  app.put("/sales/:saleId/items/:sku/price", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, PriceSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const found = await findItem(context.req.param(), deps);
    if ("reason" in found) return problemResponse(found);
    const { amount, reason } = body.value;
    const sale = await deps.saleStore.changePrice({ saleId: found.sale.id, sku: found.sku, amount });
    if (sale === null) return problemResponse(NO_SUCH_ITEM);
    deps.log.info({ saleId: sale.id, sku: found.sku, amount, reason }, "price changed");
    const stock = await deps.ledger.readStock(sale.items.map((item) => item.itemId));
    return context.json(saleDocument(sale, stock, deps.clock.nowMs()));
  });
  return app;
}

interface FoundItem {
  readonly sale: Sale;
  readonly sku: Sku;
  readonly itemId: number;
}

async function findItem(
  path: { saleId: string; sku: string },
  deps: OperatorDependencies,
): Promise<FoundItem | OperatorProblem> {
  const saleId: SaleId | null = parseSaleId(path.saleId);
  const sale = saleId === null ? null : await deps.saleStore.findSale(saleId);
  if (sale === null) return NO_SUCH_SALE;
  const sku = parseSku(path.sku);
  const item = sale.items.find((candidate) => candidate.sku === sku);
  return sku === null || item === undefined ? NO_SUCH_ITEM : { sale, sku, itemId: item.itemId };
}
