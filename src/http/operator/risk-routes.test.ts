/** Operators read the model in force, what each cause means, and what every process reported. */
import { expect, test } from "bun:test";
import { DEFAULT_RISK_MODEL, RISK_CAUSES } from "../../funnel/6-admission/risk/risk-model.ts";
import { createRiskRoutes } from "./risk-routes.ts";

test("risk is the model, its words, and the reports of processes that are alive", async () => {
  const asked: number[] = [];
  const report = { bands: { pass: 3, challenge: 0, slow_down: 0, refuse: 0 }, causes: {}, suspects: [] };
  const reports = {
    async readReports({ ageMsMax }: { ageMsMax: number }) {
      asked.push(ageMsMax);
      return [{ runId: "one", at: 5, report }];
    },
  };
  const app = createRiskRoutes({ reports, model: DEFAULT_RISK_MODEL });
  const response = await app.request("/risk");
  expect(await response.json()).toEqual({
    model: DEFAULT_RISK_MODEL,
    causes: RISK_CAUSES,
    processes: [{ runId: "one", at: 5, report }],
  });
  expect(asked).toEqual([600_000]);
});
