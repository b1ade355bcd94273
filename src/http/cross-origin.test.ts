/**
 * Whose pages may read and whose may change, by what browsers say of themselves and by what they cannot be made to say.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp } from "../../test/support/buyer-app.ts";
import type { HotRequest } from "../funnel/request.ts";
import { createCrossOriginPolicy, readableAcrossOrigins } from "./cross-origin.ts";

const SHOP = "https://shop.example";
const OWN = "https://tickets.example";
const OPEN = createCrossOriginPolicy({ allowedOrigins: [SHOP], ownOrigin: () => OWN });
const CLOSED = createCrossOriginPolicy({ allowedOrigins: [], ownOrigin: () => OWN });

function request(method: string, headers: Readonly<Record<string, string>>) {
  return { method, header: (name: string) => headers[name] ?? null };
}

describe("a request that changes something", () => {
  const foreign: readonly Readonly<Record<string, string>>[] = [
    { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
    { "sec-fetch-site": "same-site", origin: "https://blog.tickets.example" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "CROSS-SITE", origin: OWN },
    { origin: "https://evil.example", host: "tickets.example" },
    { origin: "http://tickets.example:81", host: "tickets.example" },
    { origin: "null", host: "tickets.example" },
    { origin: "", host: "tickets.example" },
    { origin: `${SHOP}.evil.example` },
    { origin: SHOP.toUpperCase() },
  ];
  test.each(foreign.map((headers) => [JSON.stringify(headers), headers] as const))(
    "is foreign with %s",
    (_, headers) => {
      for (const method of ["POST", "DELETE", "PUT", "PATCH"]) {
        expect([method, OPEN.isForeign(request(method, headers))]).toEqual([method, true]);
      }
    },
  );

  const ours: readonly Readonly<Record<string, string>>[] = [
    {},
    { "sec-fetch-site": "same-origin", origin: OWN },
    { "sec-fetch-site": "none" },
    { origin: OWN },
    { origin: "http://127.0.0.1:8080", host: "127.0.0.1:8080" },
    { "sec-fetch-site": "cross-site", origin: SHOP },
  ];
  test.each(ours.map((headers) => [JSON.stringify(headers), headers] as const))(
    "is ours or let in with %s",
    (_, headers) => {
      expect(OPEN.isForeign(request("POST", headers))).toBe(false);
    },
  );

  test("is let in from nowhere where no origin is named", () => {
    expect(CLOSED.isForeign(request("POST", { "sec-fetch-site": "cross-site", origin: SHOP }))).toBe(true);
  });
});

test("a request that only reads is never foreign", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    expect(OPEN.isForeign(request(method, { "sec-fetch-site": "cross-site", origin: "https://evil.example" }))).toBe(
      false,
    );
  }
});

describe("a preflight", () => {
  const asked = { "access-control-request-method": "POST" };

  test("is answered to an allowed origin, without credentials and without a wildcard", async () => {
    const answer = OPEN.preflight(request("OPTIONS", { ...asked, origin: SHOP }));
    expect(answer?.status).toBe(204);
    expect(answer?.headers.get("access-control-allow-origin")).toBe(SHOP);
    expect(answer?.headers.get("access-control-allow-credentials")).toBeNull();
    for (const header of ["authorization", "idempotency-key", "content-digest", "x-signature", "x-nonce"]) {
      expect(answer?.headers.get("access-control-allow-headers")).toContain(header);
    }
  });

  test("is none without its headers, and gets no answer from another origin", () => {
    expect(OPEN.preflight(request("OPTIONS", { origin: SHOP }))).toBeNull();
    expect(OPEN.preflight(request("OPTIONS", { ...asked, origin: "https://evil.example" }))).toBeNull();
    expect(OPEN.preflight(request("OPTIONS", asked))).toBeNull();
    expect(OPEN.preflight(request("GET", { ...asked, origin: SHOP }))).toBeNull();
    expect(CLOSED.preflight(request("OPTIONS", { ...asked, origin: SHOP }))).toBeNull();
  });
});

describe("the buyer API", () => {
  const body = '{"kind":"guest"}';
  const json = { "content-type": "application/json" };

  test("refuses what another site's page sends before anything is done about it", async () => {
    const app = makeBuyerApp({ crossOrigin: OPEN });
    app.world.sessionRefusal = { reason: "throttled", retryAfterMs: 1_000 };
    const headers = { ...json, "sec-fetch-site": "cross-site", origin: "https://evil.example" };
    const answer = await app.fetch("/v1/sessions", { method: "POST", headers, body });
    expect(answer.status).toBe(403);
    expect(((await answer.json()) as { reason: string }).reason).toBe("cross_site");
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("lets the shop's page in and read, refusals too, and keeps caches from mixing readers up", async () => {
    const app = makeBuyerApp({ crossOrigin: OPEN });
    const headers = { ...json, "sec-fetch-site": "cross-site", origin: SHOP };
    for (const sent of [body, "{"]) {
      const answer = await app.fetch("/v1/sessions", { method: "POST", headers, body: sent });
      expect(answer.status).toBe(sent === body ? 201 : 400);
      expect(answer.headers.get("access-control-allow-origin")).toBe(SHOP);
      expect(answer.headers.get("access-control-expose-headers")).toContain("retry-after");
    }
    const shown = await app.fetch("/v1/sales/spring-drop");
    expect(shown.headers.get("vary")).toContain("origin");
    expect(shown.headers.get("access-control-allow-origin")).toBeNull();
    const preflight = { ...headers, "access-control-request-method": "POST" };
    expect(
      (await app.fetch("/v1/sales/a/items/b/reservations", { method: "OPTIONS", headers: preflight })).status,
    ).toBe(204);
  });

  test("says to come by HTTPS alone where buyers do", async () => {
    const plain = await makeBuyerApp().fetch("/v1/time");
    expect(plain.headers.get("strict-transport-security")).toBeNull();
    const secure = await makeBuyerApp({ settings: { publicUrl: () => OWN } }).fetch("/v1/time");
    expect(secure.headers.get("strict-transport-security")).toContain("max-age=31536000");
  });

  test("sets no cookie and takes none for a session", async () => {
    const app = makeBuyerApp();
    const token = app.authorization()["authorization"]?.slice("Bearer ".length) ?? "";
    const opened = await app.fetch("/v1/sessions", { method: "POST", headers: json, body });
    expect(opened.headers.get("set-cookie")).toBeNull();
    for (const name of ["session", "token", "authorization", "__Host-session"]) {
      const headers = { cookie: `${name}=${token}; ${name}=Bearer ${token}` };
      expect((await app.fetch("/v1/reservations", { headers })).status).toBe(401);
    }
  });
});

describe("the hot route", () => {
  const hot = (origin: string | null): HotRequest => ({
    method: "POST",
    saleId: "s",
    sku: "i",
    pathAndQuery: "/",
    remoteAddress: "",
    header: (name) => (name === "origin" ? origin : null),
    readBody: async () => new Uint8Array(0),
  });
  const answer = Object.freeze({ status: 409, headers: Object.freeze({ a: "b" }), body: "{}" });

  test("is the funnel itself where nobody embeds it", () => {
    const route = { decide: () => answer };
    expect(readableAcrossOrigins(route, CLOSED)).toBe(route);
  });

  test("adds what the shop's page needs to answers at once and to late ones, and to nobody else's", async () => {
    const now = readableAcrossOrigins({ decide: () => answer }, OPEN);
    const late = readableAcrossOrigins({ decide: async () => answer }, OPEN);
    for (const route of [now, late]) {
      expect((await route.decide(hot(SHOP))).headers).toMatchObject({ a: "b", "access-control-allow-origin": SHOP });
      expect(await route.decide(hot("https://evil.example"))).toBe(answer);
      expect(await route.decide(hot(null))).toBe(answer);
    }
  });
});
