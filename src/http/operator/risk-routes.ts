/**
 * What the deployment finds suspicious, for its operators: the model in force, what each process counted, whom it saw.
 *
 * Reports come through the store, because operators' processes need not be those that answer buyers. Deciding is done with
 * bans and exemptions (access-routes.ts); a score itself cannot be changed, only its weights, in the configuration.
 */
import { Hono } from "hono";
import { RISK_CAUSES } from "../../funnel/6-admission/risk/risk-model.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";

/** Processes that reported nothing for this long are not shown. */
const REPORT_AGE_MS_MAX = 10 * 60_000;

export function createRiskRoutes({ reports, model }: OperatorDependencies["risk"]): OperatorApp {
  const app = new Hono<OperatorEnv>();
  app.get("/risk", async (context) => {
    const processes = await reports.readReports({ ageMsMax: REPORT_AGE_MS_MAX });
    return context.json({ model, causes: RISK_CAUSES, processes });
  });
  return app;
}
