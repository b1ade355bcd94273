/**
 * Sales: creating, listing, changing, and the five commands of a sale's life. Stock and prices are stock-routes.ts.
 *
 * Commands are idempotent because the store's are: a second "open" finds the sale open and answers the same document.
 * "warm-up" changes no sale; it makes this node ready and tells that it is.
 */
import { type Context, Hono } from "hono";
import { parseSaleId, type SaleId, type Sku } from "../../domain/ids.ts";
import type { Sale } from "../../domain/sale.ts";
import type { NewSale, SaleCommand, SalePatch } from "../../ports/sale-store.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { type SaleDocument, saleDocument } from "./documents.ts";
import { type OperatorProblem, problemResponse } from "./problem.ts";
import { type NewSaleBody, NewSaleSchema, NoBodySchema, SalePatchSchema } from "./schemas.ts";

const SALES_LISTED_MAX = 200;
const COMMANDS = ["open", "pause", "resume", "close"] as const satisfies readonly SaleCommand[];
const NO_SUCH_SALE: OperatorProblem = { reason: "no_such_sale" };

export function createSaleRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();

  app.post("/sales", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, NewSaleSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const sale = await deps.saleStore.createSale(newSaleOf(body.value, deps));
    context.header("location", `/v1/admin/sales/${sale.id}`);
    return context.json(await documentOf(sale, deps), 201);
  });
  app.get("/sales", async (context) => {
    const sales = await deps.saleStore.listSales({ rowsMax: SALES_LISTED_MAX });
    return context.json({ sales: await documentsOf(sales, deps) });
  });
  app.get("/sales/:saleId", (context) => withSale(context, deps, async (saleId) => deps.saleStore.findSale(saleId)));
  app.patch("/sales/:saleId", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, SalePatchSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const patch: SalePatch = body.value;
    return withSale(context, deps, async (saleId) => deps.saleStore.patchSale(saleId, patch));
  });
  for (const command of COMMANDS) {
    app.post(`/sales/:saleId/${command}`, async (context) => {
      const body = await readJson(context.req.raw, deps.clock, NoBodySchema);
      if (body.kind === "problem") return problemResponse(body.problem);
      deps.log.info({ saleId: context.req.param("saleId"), command }, "operator command");
      return withSale(context, deps, async (saleId) => deps.saleStore.commandSale(saleId, command));
    });
  }
  app.post("/sales/:saleId/warm-up", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, NoBodySchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    return withSale(context, deps, async (saleId) => {
      const sale = await deps.saleStore.findSale(saleId);
      if (sale !== null) await deps.warmUp();
      return sale;
    });
  });
  return app;
}

/** Answers with the document of the sale that `find` gives for the path's id. */
async function withSale(
  context: Context<OperatorEnv>,
  deps: OperatorDependencies,
  find: (saleId: SaleId) => Promise<Sale | null>,
): Promise<Response> {
  const saleId = parseSaleId(context.req.param("saleId"));
  const sale = saleId === null ? null : await find(saleId);
  return sale === null ? problemResponse(NO_SUCH_SALE) : context.json(await documentOf(sale, deps));
}

async function documentOf(sale: Sale, deps: OperatorDependencies): Promise<SaleDocument> {
  const stock = await deps.ledger.readStock(sale.items.map((item) => item.itemId));
  return saleDocument(sale, stock, deps.clock.nowMs());
}

async function documentsOf(sales: readonly Sale[], deps: OperatorDependencies): Promise<readonly SaleDocument[]> {
  const itemIds = sales.flatMap((sale) => sale.items.map((item) => item.itemId));
  const stock = itemIds.length === 0 ? [] : await deps.ledger.readStock(itemIds);
  const nowMs = deps.clock.nowMs();
  return sales.map((sale) => {
    const own = new Set(sale.items.map((item) => item.itemId));
    const ownStock = stock.filter((figures) => own.has(figures.itemId));
    return saleDocument(sale, ownStock, nowMs);
  });
}

function newSaleOf(body: NewSaleBody, deps: OperatorDependencies): NewSale {
  return {
    id: (body.id ?? deps.random.id()) as SaleId,
    name: body.name,
    description: body.description ?? null,
    imageUrl: body.imageUrl ?? null,
    opensAt: body.opensAt,
    closesAt: body.closesAt,
    holdMs: body.holdMs,
    perBuyerMax: body.perBuyerMax,
    challenge: body.challenge,
    signature: body.signature,
    eligibility: body.eligibility,
    buckets: body.buckets,
    items: body.items.map((item) => ({
      sku: item.sku as Sku,
      name: item.name ?? item.sku,
      price: item.price,
      stock: item.stock,
      perBuyerMax: item.perBuyerMax ?? body.perBuyerMax,
    })),
  };
}
