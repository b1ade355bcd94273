/**
 * The document describes what is served: every row of the contract, the hot path with its headers, closed bodies.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp } from "../../../test/support/buyer-app.ts";
import { REFUSALS } from "../../domain/refusals.ts";
import { BUYER_ROUTES, type BuyerRoute } from "./routes.ts";

// biome-ignore lint/suspicious/noExplicitAny: the document is read as a foreign client would read it
async function readDocument(): Promise<any> {
  const response = await makeBuyerApp().fetch("/v1/openapi.json");
  expect(response.headers.get("content-type")).toBe("application/json");
  return await response.json();
}

/** API.md, "Buyer API", written out a second time on purpose. */
const CONTRACT = [
  "GET /v1/time",
  "GET /v1/sales/{saleId}",
  "POST /v1/sessions",
  "POST /v1/sales/{saleId}/items/{sku}/reservations",
  "GET /v1/reservations/{rid}",
  "GET /v1/reservations",
  "DELETE /v1/reservations/{rid}",
  "POST /v1/reservations/{rid}/checkout",
  "POST /v1/webhooks/payments/{provider}",
  "GET /v1/events",
  "POST /v1/events/tickets",
  "GET /v1/challenges/new",
  "POST /v1/challenges",
  "POST /v1/sales/{saleId}/passes",
  "GET /v1/openapi.json",
  "GET /healthz",
  "GET /readyz",
];

describe("openapi.json", () => {
  test("has every row of the contract and nothing that is not in the route table", async () => {
    const document = await readDocument();
    const described = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    for (const row of CONTRACT) expect(described).toContain(row);
    const table = Object.values<BuyerRoute>(BUYER_ROUTES).map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(described.sort()).toEqual(table.sort());
  });

  test("describes the hot path with its key, signature, answers and refusals", async () => {
    const { post } = (await readDocument()).paths[BUYER_ROUTES.reserve.path];
    // biome-ignore lint/suspicious/noExplicitAny: see above
    const parameters = new Map<string, any>(post.parameters.map((each: any) => [each.name, each]));
    expect(parameters.get("idempotency-key")).toMatchObject({ in: "header", required: true });
    for (const name of ["content-digest", "x-timestamp", "x-nonce", "x-signature"]) {
      expect(parameters.get(name)).toMatchObject({ in: "header", required: false });
    }
    expect(post.security).toEqual([{ session: [] }]);
    const hot = Object.values(REFUSALS).map(({ status }) => String(status));
    for (const status of ["201", "202", ...hot]) expect(Object.keys(post.responses)).toContain(status);
  });

  test("closes every body: members it does not know are refused", async () => {
    const { schemas } = (await readDocument()).components;
    expect(
      schemas.SessionRequest.oneOf.every(
        (each: { additionalProperties: unknown }) => each.additionalProperties === false,
      ),
    ).toBe(true);
    for (const name of ["ReserveRequest", "Empty"]) expect(schemas[name].additionalProperties).toBe(false);
  });

  test("says of each route whether it needs a session", async () => {
    const document = await readDocument();
    for (const { method, path, auth } of Object.values<BuyerRoute>(BUYER_ROUTES)) {
      const needsSession = auth === "session" || auth === "session-or-ticket";
      expect(document.paths[path][method].security !== undefined).toBe(needsSession);
    }
  });
});
