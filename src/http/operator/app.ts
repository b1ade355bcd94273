/**
 * The operator's port: the API under /v1/admin behind the token, health and metrics, and the console's pages.
 *
 * The token is asked before a path is looked up, so a stranger cannot even learn which routes exist. Nothing here is
 * on the hot path. Faults become problems in one place; a bug gets an id that finds its log line and says nothing else.
 */
import { Hono } from "hono";
import { internalResponse } from "../problem.ts";
import { secureHeaders } from "../security-headers.ts";
import { createAccessRoutes } from "./access-routes.ts";
import { createAuditRoutes } from "./audit-routes.ts";
import { createOperatorCheck } from "./authenticate.ts";
import type { OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { createOrderRoutes } from "./order-routes.ts";
import { problemOfFault, problemResponse } from "./problem.ts";
import { createSaleRoutes } from "./sale-routes.ts";
import { createStatsRoutes } from "./stats-routes.ts";
import { createWebhookRoutes } from "./webhook-routes.ts";

const BASE = "/v1/admin";

export function createOperatorApp(deps: OperatorDependencies): OperatorApp {
  const app = new Hono<OperatorEnv>();
  app.use(async (context, next) => {
    await next();
    secureHeaders(context.res.headers);
  });
  app.onError((error) => {
    const problem = problemOfFault(error);
    if (problem !== null) {
      deps.log.warn({ error }, "operator request met a fault");
      return problemResponse(problem);
    }
    const requestId = deps.random.id();
    deps.log.error({ error, requestId }, "operator request failed");
    return internalResponse(requestId);
  });
  app.notFound(() => problemResponse({ reason: "not_found" }));
  app.route(BASE, createAdminApi(deps));
  app.route("/", deps.ops);
  const { pages } = deps;
  if (pages !== null) {
    app.get("/", (context) => pages.page("operator", context.req.raw));
    app.get("/assets/:name", (context) => pages.asset(context.req.param("name"), context.req.raw));
  }
  refuseOtherMethods(app);
  return app;
}

function createAdminApi(deps: OperatorDependencies): OperatorApp {
  const isOperator = createOperatorCheck(deps.adminToken);
  const api = new Hono<OperatorEnv>();
  api.use(async (context, next) => {
    if (!isOperator(context.req.header("authorization") ?? null)) {
      deps.log.warn({ remoteAddress: context.env?.remoteAddress }, "operator token missing or wrong");
      return problemResponse({ reason: "unauthorized" });
    }
    await next();
    return undefined;
  });
  api.route("/", createSaleRoutes(deps));
  api.route("/", createAuditRoutes(deps));
  api.route("/", createStatsRoutes(deps));
  api.route("/", createOrderRoutes(deps));
  api.route("/", createAccessRoutes(deps));
  api.route("/", createWebhookRoutes(deps));
  api.post("/rehearsals", () =>
    problemResponse({
      reason: "not_available",
      detail: "Rehearsals against the running deployment are not available yet; use `doorbuster demo` or `swarm`.",
    }),
  );
  return api;
}

/** A path that exists answers other methods with 405 and says which there are. */
function refuseOtherMethods(app: OperatorApp): void {
  const allowed = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const methods = allowed.get(path) ?? new Set<string>();
    allowed.set(path, methods.add(method));
    if (method === "GET") methods.add("HEAD");
  }
  for (const [path, methods] of allowed) {
    app.all(path, () => {
      const response = problemResponse({ reason: "method_not_allowed" });
      response.headers.set("allow", [...methods].join(", "));
      return response;
    });
  }
}
