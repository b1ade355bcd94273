/**
 * The shop's addresses that are told about reservations: named, listed and taken away by operators.
 *
 * An address is judged when it is named and again for every message. Its secret is shown once, when it is made; the
 * list shows how the last messages fared and nothing that a receiver said.
 */
import { Hono } from "hono";
import { isId } from "../../domain/ids.ts";
import { readJson } from "./body.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { invalidFields, type OperatorProblem, problemResponse } from "./problem.ts";
import { WebhookSchema } from "./schemas.ts";

const ENDPOINTS_MAX = 10;
const NONE: OperatorProblem = { reason: "not_found" };

export function createWebhookRoutes({ webhooks, random, clock, log }: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();
  if (webhooks === undefined) return app;
  const { store, sender, secretOf } = webhooks;

  app.get("/webhooks", async (context) => context.json({ webhooks: await store.listEndpoints() }));
  app.post("/webhooks", async (context) => {
    const body = await readJson(context.req.raw, clock, WebhookSchema);
    if (body.kind === "problem") return problemResponse(body.problem);
    const why = await sender.findObjection(body.value.url);
    if (why !== null) return problemResponse(invalidFields([{ field: "url", text: `cannot be used: ${why}` }]));
    const endpoint = await store.createEndpoint({ id: random.id(), url: body.value.url, endpointsMax: ENDPOINTS_MAX });
    if (endpoint === null) {
      return problemResponse({ reason: "conflict", detail: `There are ${ENDPOINTS_MAX} addresses already.` });
    }
    log.info({ endpointId: endpoint.id, host: new URL(endpoint.url).host }, "webhook address added");
    return context.json({ ...endpoint, signingSecret: secretOf(endpoint.id) }, 201);
  });
  app.delete("/webhooks/:id", async (context) => {
    const id = context.req.param("id");
    if (!isId(id) || !(await store.deleteEndpoint(id))) return problemResponse(NONE);
    log.info({ endpointId: id }, "webhook address removed");
    return context.body(null, 204);
  });
  return app;
}
