/**
 * The operator's port: the API under /v1/admin behind the gate, health and metrics, and the console's pages.
 *
 * The gate stands before every route, so a stranger cannot even learn which there are (gate.ts). Nothing here is on the
 * hot path. Faults become problems in one place; a bug gets an id that finds its log line and says nothing else.
 */
import { Hono } from "hono";
import { internalResponse } from "../problem.ts";
import { secureHeaders } from "../security-headers.ts";
import { createAccessRoutes } from "./access-routes.ts";
import { createApprovalRoutes } from "./approval-routes.ts";
import { createAuditRoutes } from "./audit-routes.ts";
import type { ApprovedCall, OperatorApp, OperatorDependencies, OperatorEnv } from "./dependencies.ts";
import { assertRoutesHaveRows, createGate } from "./gate.ts";
import { createOidcRoutes } from "./oidc-routes.ts";
import { OperatorRecord } from "./operator-record.ts";
import { createOrderRoutes } from "./order-routes.ts";
import { createPeopleRoutes } from "./people-routes.ts";
import { problemOfFault, problemResponse } from "./problem.ts";
import { createRehearsalRoutes } from "./rehearsal-routes.ts";
import { createRiskRoutes } from "./risk-routes.ts";
import { createSaleRoutes } from "./sale-routes.ts";
import { SignIn } from "./sign-in.ts";
import { SignInBrake } from "./sign-in-brake.ts";
import { createSignInRoutes } from "./sign-in-routes.ts";
import { createStatsRoutes } from "./stats-routes.ts";
import { createStockRoutes } from "./stock-routes.ts";
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
  // A request that two people agreed on goes the whole way again, through the gate as well.
  const perform = async (request: Request, approved: ApprovedCall): Promise<Response> =>
    app.fetch(request, { remoteAddress: "", approved });
  app.route(BASE, createAdminApi(deps, perform));
  app.route("/", deps.ops);
  const { pages } = deps;
  if (pages !== null) {
    app.get("/", (context) => pages.page("operator", context.req.raw));
    app.get("/assets/:name", (context) => pages.asset(context.req.param("name"), context.req.raw));
  }
  refuseOtherMethods(app);
  return app;
}

function createAdminApi(
  deps: OperatorDependencies,
  perform: (request: Request, approved: ApprovedCall) => Promise<Response>,
): OperatorApp {
  const { clock, random, log, operators } = deps;
  const record = new OperatorRecord({ store: operators.operatorLog, log });
  const signIn = new SignIn({ people: operators.people, sealKeys: operators.sealKeys, clock, random });
  const api = new Hono<OperatorEnv>();
  api.use(createGate(deps, { record, base: BASE }));
  const parts = { signIn, brake: new SignInBrake({ clock, random, exchange: deps.exchange ?? null }), record };
  api.route("/", createSignInRoutes(deps, parts));
  api.route("/", createOidcRoutes(deps, parts));
  api.route("/", createPeopleRoutes(deps, signIn));
  api.route("/", createApprovalRoutes(deps, perform));
  api.route("/", createSaleRoutes(deps));
  api.route("/", createStockRoutes(deps));
  api.route("/", createAuditRoutes(deps));
  api.route("/", createStatsRoutes(deps));
  api.route("/", createOrderRoutes(deps));
  api.route("/", createAccessRoutes(deps));
  api.route("/", createRiskRoutes(deps.risk));
  api.route("/", createWebhookRoutes(deps));
  api.route("/", createRehearsalRoutes(deps));
  assertRoutesHaveRows(api.routes);
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
