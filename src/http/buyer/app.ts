/**
 * The buyer API and page as one hono app: everything on PORT except the hot path.
 *
 * Handlers are registered from the route table of the contract, so a row without a handler does not compile and a path
 * outside the table cannot exist. Around them: one place that turns faults into `unavailable`, bugs into `internal` with
 * an id, unknown paths into 404 and wrong methods into 405, and one that adds the headers every answer has.
 */
import { Hono } from "hono";
import { routePath } from "hono/route";
import { FAULTS, type Fault, isFault } from "../../domain/faults.ts";
import { isId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { RouteClass } from "../../funnel/1-shed/route-guard.ts";
import { createOpenApiDocument } from "../contract/openapi.ts";
import { BUYER_PAGE_PATHS, BUYER_ROUTES, type BuyerRouteName, routingPath } from "../contract/routes.ts";
import { internalResponse, problemResponse } from "../problem.ts";
import { secureHeaders } from "../security-headers.ts";
import { createChallengeHandlers } from "./challenges.ts";
import type { BuyerAppDependencies } from "./dependencies.ts";
import { createEventHandlers } from "./events.ts";
import { createPassHandlers } from "./passes.ts";
import { QuietLog } from "./quiet-log.ts";
import { type BuyerContext, type BuyerEnv, type BuyerHandler, refuse } from "./request-context.ts";
import { createReservationHandlers } from "./reservations.ts";
import { PAGE_CLASS, ROUTE_CLASSES } from "./route-classes.ts";
import { createSaleHandlers } from "./sales.ts";
import { createSessionHandlers } from "./sessions.ts";
import { createWebhookHandlers } from "./webhooks.ts";

const CONTRACT_HEADERS = { "content-type": "application/json", "cache-control": "public, max-age=60" };

/** Builds the app. Mount it on PORT; the listener hands the hot path to the funnel before this app sees it. */
export function createBuyerApp(dependencies: BuyerAppDependencies): Hono<BuyerEnv> {
  const app = new Hono<BuyerEnv>();
  guardOrigins(app, dependencies);
  registerRoutes(app, createHandlers(dependencies), dependencies);
  registerPages(app, dependencies);
  app.notFound(() => problemResponse("not_found"));
  const quietLog = new QuietLog(dependencies);
  app.onError((error, context) => answerFailure(error, context, { ...dependencies, quietLog }));
  return app;
}

/** Around every route: foreign pages are turned away or let read, and every answer gets the headers that all have. */
function guardOrigins(app: Hono<BuyerEnv>, { crossOrigin, settings }: BuyerAppDependencies): void {
  app.use(async (context, next) => {
    const { headers } = context.req.raw;
    const request = { method: context.req.method, header: (name: string) => headers.get(name) };
    const preflight = crossOrigin.preflight(request);
    if (preflight !== null) context.res = preflight;
    else if (crossOrigin.isForeign(request)) context.res = problemResponse("cross_site");
    else await next();
    secureHeaders(context.res.headers, { isHttps: settings.publicUrl().startsWith("https:") });
    if (crossOrigin.isClosed) return;
    // What a cache keeps for one origin is not what another one may read.
    context.res.headers.append("vary", "origin");
    const readable = crossOrigin.headersFor(headers.get("origin")) ?? {};
    for (const [name, value] of Object.entries(readable)) context.res.headers.set(name, value);
  });
}

function createHandlers(dependencies: BuyerAppDependencies): Record<BuyerRouteName, BuyerHandler> {
  const contract = JSON.stringify(createOpenApiDocument(dependencies.settings.version));
  return {
    ...createSaleHandlers(dependencies),
    ...createSessionHandlers(dependencies),
    ...createChallengeHandlers(dependencies),
    ...createPassHandlers(dependencies),
    ...createReservationHandlers(dependencies),
    ...createWebhookHandlers(dependencies),
    ...createEventHandlers(dependencies),
    // The funnel has what is spelled as the contract says; another spelling of it is no second door.
    reserve: () => problemResponse("not_found"),
    readContract: () => new Response(contract, { headers: CONTRACT_HEADERS }),
    readHealth: () => Response.json({ status: "ok" }),
    readReadiness() {
      const reason = dependencies.readiness();
      return reason === null ? Response.json({ status: "ok" }) : refuse({ reason });
    },
  };
}

/** The handler behind its class's step of the ladder; null = it is answered whatever happens. */
function guarded(
  { routeGuard }: Pick<BuyerAppDependencies, "routeGuard">,
  routeClass: RouteClass | null,
  handler: BuyerHandler,
): BuyerHandler {
  if (routeClass === null || !routeGuard) return handler;
  return async (context) => {
    const answer = await routeGuard.run(routeClass, () => handler(context));
    return answer instanceof Response ? answer : refuse(answer);
  };
}

function registerRoutes(
  app: Hono<BuyerEnv>,
  handlers: Record<BuyerRouteName, BuyerHandler>,
  dependencies: BuyerAppDependencies,
): void {
  const allowed = new Map<string, string[]>();
  for (const name of Object.keys(BUYER_ROUTES) as BuyerRouteName[]) {
    const { method } = BUYER_ROUTES[name];
    const path = routingPath(BUYER_ROUTES[name].path);
    app.on(method.toUpperCase(), path, guarded(dependencies, ROUTE_CLASSES[name], handlers[name]));
    // hono answers HEAD wherever there is a GET.
    const methods = method === "get" ? ["GET", "HEAD"] : [method.toUpperCase()];
    allowed.set(path, [...(allowed.get(path) ?? []), ...methods]);
  }
  for (const [path, methods] of allowed) app.all(path, () => refuseMethod(methods));
}

function registerPages(app: Hono<BuyerEnv>, dependencies: BuyerAppDependencies): void {
  const { pages } = dependencies;
  const handlers: Readonly<Record<(typeof BUYER_PAGE_PATHS)[number], BuyerHandler>> = {
    "/": (context) => pages.page("buyer", context.req.raw),
    "/sales/{saleId}": (context) =>
      isId(context.req.param("saleId")) ? pages.page("buyer", context.req.raw) : problemResponse("not_found"),
    "/assets/{name}": (context) => pages.asset(context.req.param("name") ?? "", context.req.raw),
  };
  for (const path of BUYER_PAGE_PATHS) {
    app.get(routingPath(path), guarded(dependencies, PAGE_CLASS, handlers[path]));
    app.all(routingPath(path), () => refuseMethod(["GET", "HEAD"]));
  }
}

function refuseMethod(allowed: readonly string[]): Response {
  const response = problemResponse("method_not_allowed");
  response.headers.set("allow", allowed.join(", "));
  return response;
}

/** What went wrong is logged; what is said is one of three things. */
function answerFailure(
  error: unknown,
  context: BuyerContext,
  { log, quietLog, random }: Pick<BuyerAppDependencies, "log" | "random"> & { readonly quietLog: QuietLog },
): Response {
  const route = `${context.req.method} ${routePath(context)}`;
  if (isFault(error)) {
    const refusal = refusalOfFault(error);
    if (refusal !== null) {
      quietLog.warn(error.code, { route, error }, "a request met a fault");
      return refuse(refusal);
    }
  }
  const requestId = random.id();
  log.error({ route, requestId, error }, "a request failed by a bug");
  return internalResponse(requestId);
}

/** The refusal a buyer reads for a fault, or null when the fault is ours. */
function refusalOfFault(fault: Fault): Refusal | null {
  const { whose } = FAULTS[fault.code];
  if (whose === "dependency") return { reason: "unavailable" };
  return whose === "capacity" ? { reason: "busy" } : null;
}
