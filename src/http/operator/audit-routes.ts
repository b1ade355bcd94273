/**
 * The books of a sale for operators: the audit in its two forms, how its mode changed, and making orders again that
 * PostgreSQL has forgotten.
 *
 * `?scope=places` only says where the units are; it costs so little that it can be asked every second while selling.
 */
import { Hono } from "hono";
import { parseSaleId } from "../../domain/ids.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { problemResponse } from "./problem.ts";
import { RecoverySchema } from "./schemas.ts";

/** The newest changes of mode that are told. A sale that changed more often has other worries. */
export const MODE_CHANGES_MAX = 200;

export function createAuditRoutes(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();
  app.get("/sales/:saleId/audit", async (context) => {
    const scope = context.req.query("scope") ?? "all";
    if (scope !== "all" && scope !== "places") {
      return problemResponse({ reason: "malformed", detail: 'scope must be "all" or "places".' });
    }
    const saleId = parseSaleId(context.req.param("saleId"));
    if (saleId === null) return problemResponse({ reason: "no_such_sale" });
    const report = scope === "places" ? await deps.auditor.auditPlaces(saleId) : await deps.auditor.audit(saleId);
    return report === null ? problemResponse({ reason: "no_such_sale" }) : context.json(report);
  });
  app.get("/sales/:saleId/mode-changes", async (context) => {
    const saleId = parseSaleId(context.req.param("saleId"));
    const sale = saleId === null ? null : await deps.saleStore.findSale(saleId);
    if (sale === null) return problemResponse({ reason: "no_such_sale" });
    const changes = await deps.modeHistory.read({ saleId: sale.id, rowsMax: MODE_CHANGES_MAX });
    return context.json({
      changes: changes.map(({ at, from, to, epoch, reason }) => ({ at, from, to, epoch, reason })),
    });
  });
  app.post("/sales/:saleId/recover", async (context) => {
    const body = await readJson(context.req.raw, deps.clock, RecoverySchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const saleId = parseSaleId(context.req.param("saleId"));
    const sale = saleId === null ? null : await deps.saleStore.findSale(saleId);
    if (sale === null) return problemResponse({ reason: "no_such_sale" });
    const { recovery } = deps;
    if (recovery === undefined || recovery === null) {
      return problemResponse({ reason: "conflict", detail: "This node has no REDIS_URL, so it reaches no streams." });
    }
    return context.json(await recovery.recover(sale));
  });
  return app;
}
