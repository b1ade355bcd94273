/**
 * What holds for every route of PORT: the matrix of routes and roles, headers, wrong paths and methods, faults and bugs.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp } from "../../../test/support/buyer-app.ts";
import { Fault, type FaultCode } from "../../domain/faults.ts";
import { BUYER_ROUTE_TABLE, BUYER_ROUTES, type RouteAccess } from "../contract/routes.ts";
import { ProblemSchema } from "../contract/schemas.ts";

const PARAMETERS: Readonly<Record<string, string>> = {
  saleId: "spring-drop",
  sku: "shoe",
  rid: "rid-of-alice",
  provider: "sandbox",
  name: "buyer.abc.js",
};
const OF_APP = BUYER_ROUTE_TABLE.filter((route) => route.path !== BUYER_ROUTES.reserve.path);
const QUERIES: Readonly<Record<string, string>> = { "/v1/challenges/new": "?saleId=spring-drop" };

function pathOf({ path }: RouteAccess): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => PARAMETERS[name] ?? "") + (QUERIES[path] ?? "");
}

function withBody({ method, path }: RouteAccess): RequestInit {
  const body = path === "/v1/sessions" ? '{"kind":"guest"}' : null;
  return body === null ? { method } : { method, body, headers: { "content-type": "application/json" } };
}

async function reasonOf(response: Response): Promise<string> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = ProblemSchema.parse(await response.json());
  expect(problem.status).toBe(response.status);
  return problem.reason;
}

describe("routes and roles", () => {
  const name = (route: RouteAccess) => `${route.method} ${route.path}`;
  const guarded = OF_APP.filter(({ auth }) => auth === "session" || auth === "session-or-ticket");
  const free = OF_APP.filter(({ auth }) => auth === "none");

  test("every route of the app says who may call it", () => {
    expect(guarded.length + free.length + 1).toBe(OF_APP.length);
    expect(guarded.length).toBeGreaterThan(5);
  });

  test.each(guarded.map((route) => [name(route), route] as const))(
    "%s refuses everybody without a session",
    async (_, route) => {
      const app = makeBuyerApp();
      const cases: readonly (readonly [Record<string, string>, string])[] = [
        [{}, "session_missing"],
        [{ authorization: "Bearer nonsense" }, "session_invalid"],
        [{ authorization: "Basic YTpi" }, "session_invalid"],
        [{ authorization: `${app.authorization()["authorization"]}x` }, "session_invalid"],
      ];
      for (const [headers, expected] of cases) {
        const response = await app.fetch(pathOf(route), { method: route.method, headers });
        expect(response.status).toBe(401);
        expect(await reasonOf(response)).toBe(expected);
      }
      const headers = app.authorization();
      app.world.clock.advance(3_600_000);
      expect(await reasonOf(await app.fetch(pathOf(route), { method: route.method, headers }))).toBe("session_expired");
    },
  );

  test.each(guarded.map((route) => [name(route), route] as const))(
    "%s never touches what is another buyer's",
    async (_, route) => {
      const app = makeBuyerApp();
      const before = structuredClone(app.world.orders);
      const response = await app.fetch(pathOf(route), { method: route.method, headers: app.authorization("mallory") });
      const text = await response.text();
      expect(text).not.toContain("rid-of-");
      expect(text).not.toContain("alice");
      if (route.path.includes("{rid}")) expect(response.status).toBe(404);
      expect(app.world.orders).toEqual(before);
    },
  );

  test.each(free.map((route) => [name(route), route] as const))("%s needs no session", async (_, route) => {
    const response = await makeBuyerApp().fetch(pathOf(route), withBody(route));
    expect(response.status).toBeLessThan(300);
  });

  test("an attempt whose path is spelled in another way than the funnel knows leads nowhere", async () => {
    const response = await makeBuyerApp().fetch("/v1/s%61les/a/items/b/reservations", { method: "POST" });
    expect(await reasonOf(response)).toBe("not_found");
  });
});

describe("every answer", () => {
  test.each([...OF_APP.map((route) => [pathOf(route), route.method]), ["/nowhere", "GET"]] as [string, string][])(
    "of %s (%s) tells browsers what not to do with it",
    async (path, method) => {
      const { headers } = await makeBuyerApp().fetch(path, { method });
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      const isPublic = method === "GET" && /^\/v1\/(sales|openapi)/.test(path);
      expect(headers.get("cache-control")).toContain(isPublic ? "public" : "no-store");
    },
  );

  test.each([
    "/nowhere",
    "/v1",
    "/v1/",
    "/v1/time/",
    "/v1/sales/spring-drop/",
    "/v1/admin/sales",
    "/v1//time",
    "/sales/a%2Fb",
  ])("to the unknown path %s is a problem with status 404", async (path) => {
    const response = await makeBuyerApp().fetch(path);
    expect(response.status).toBe(404);
    expect(await reasonOf(response)).toBe("not_found");
  });

  test.each([
    ["/v1/time", "POST", "GET, HEAD"],
    ["/v1/sessions", "GET", "POST"],
    ["/v1/reservations/rid-of-alice", "PUT", "GET, HEAD, DELETE"],
    ["/v1/sales/a/items/b/reservations", "GET", "POST"],
    ["/v1/events", "OPTIONS", "GET, HEAD"],
    ["/", "POST", "GET, HEAD"],
  ])("to %s with the wrong method %s names the right ones", async (path, method, allow) => {
    const response = await makeBuyerApp().fetch(path, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await reasonOf(response)).toBe("method_not_allowed");
  });

  test("to HEAD has the headers of GET and no body", async () => {
    const response = await makeBuyerApp().fetch("/v1/sales/spring-drop", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("etag")).toMatch(/^W\/"/);
    expect(await response.text()).toBe("");
  });
});

describe("when something breaks", () => {
  const read = (app: ReturnType<typeof makeBuyerApp>) =>
    app.fetch("/v1/reservations/rid-of-alice", { headers: app.authorization() });

  test.each(["DATABASE_UNAVAILABLE", "LEDGER_UNAVAILABLE", "PROVIDER_UNAVAILABLE", "DATABASE_CONFLICT"] as FaultCode[])(
    "the fault %s of a dependency is told as unavailable and nothing else",
    async (code) => {
      const app = makeBuyerApp();
      app.world.failure = new Fault(code, { internal: "password=hunter2" });
      const response = await read(app);
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toMatch(/^[12]$/);
      const text = await response.text();
      expect(JSON.parse(text).reason).toBe("unavailable");
      expect(text).not.toContain("hunter2");
    },
  );

  test("a bug is told with an id that finds its log line, and nothing else", async () => {
    const app = makeBuyerApp();
    app.world.failure = new Error("select secret_column from orders");
    const response = await read(app);
    expect(response.status).toBe(500);
    const problem = ProblemSchema.parse(await response.json());
    expect(Object.keys(problem).sort()).toEqual(["reason", "requestId", "status", "title", "type"]);
    const [line] = app.world.lines.filter(({ level }) => level === "error");
    expect(line?.fields["requestId"]).toBe(problem.requestId);
    expect(line?.fields["route"]).toBe("GET /v1/reservations/:rid");
    expect(line?.fields["error"]).toBe(app.world.failure);
  });

  test("a fault that is a bug of ours is not told as one of the world", async () => {
    const app = makeBuyerApp();
    app.world.failure = new Fault("DATABASE_REFUSED", { internal: "CHECK" });
    expect((await read(app)).status).toBe(500);
  });

  test("a thousand requests that meet the same fault write a line a second, with the count", async () => {
    const app = makeBuyerApp();
    app.world.failure = new Fault("DATABASE_UNAVAILABLE");
    for (let times = 0; times < 1_000; times += 1) await read(app);
    expect(app.world.lines.length).toBe(1);
    app.world.clock.advance(1_000);
    await read(app);
    expect(app.world.lines.length).toBe(2);
    expect(app.world.lines[1]?.fields["leftOut"]).toBe(999);
  });
});

describe("health", () => {
  test("is alive also while the node drains, but then not ready", async () => {
    const app = makeBuyerApp();
    expect((await app.fetch("/readyz")).status).toBe(200);
    app.world.readiness = "draining";
    expect((await app.fetch("/healthz")).status).toBe(200);
    const response = await app.fetch("/readyz");
    expect(response.status).toBe(503);
    expect(await reasonOf(response)).toBe("draining");
  });
});
