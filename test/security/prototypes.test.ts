/**
 * T17: no document, query, header or path reaches the prototypes that every object of this process shares.
 *
 * Both apps run in this very process, so pollution would be seen here. Handlers and schemas are the real ones, behind them
 * stores in memory.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { makeBuyerApp } from "../support/buyer-app.ts";
import { createSale, saleBody, stageOperatorApp } from "../support/operator-app.ts";

const POISON = ["polluted", "admin", "isAdmin", "status", "reason", "quantity"] as const;
const CLEAN = Object.getOwnPropertyNames(Object.prototype).sort();

/** Documents that would set a member of every object, if anybody merged them into one. */
const DOCUMENTS: readonly string[] = POISON.flatMap((name) => [
  `{"__proto__":{"${name}":true}}`,
  `{"constructor":{"prototype":{"${name}":true}}}`,
  `{"a":{"__proto__":{"${name}":true}}}`,
  `{"__proto__":null,"${name}":true}`,
  `{"\\u005f\\u005fproto\\u005f\\u005f":{"${name}":true}}`,
  `[{"__proto__":{"${name}":true}}]`,
]);

afterEach(() => {
  const fresh: Record<string, unknown> = {};
  for (const name of POISON) expect([name, fresh[name]]).toEqual([name, undefined]);
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(CLEAN);
  expect(([] as unknown as Record<string, unknown>)["polluted"]).toBeUndefined();
});

describe("T17: prototypes", () => {
  test("stay clean whatever a buyer sends as a body", async () => {
    const app = makeBuyerApp();
    const headers = { ...app.authorization(), "content-type": "application/json" };
    for (const path of ["/v1/sessions", "/v1/reservations/rid-of-alice/checkout", "/v1/events/tickets"]) {
      for (const document of DOCUMENTS) {
        for (const body of [document, document.replace(/^\{/, '{"kind":"guest",')]) {
          const { status } = await app.fetch(path, { method: "POST", headers, body });
          expect([path, body, status]).toEqual([path, body, 400]);
        }
      }
    }
  });

  test("stay clean whatever a buyer asks for in a path, a query or a header", async () => {
    const app = makeBuyerApp();
    for (const name of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"]) {
      for (const path of [
        `/v1/sales/${name}`,
        `/v1/reservations/${name}`,
        `/v1/reservations?${name}[polluted]=true&${name}.polluted=true`,
        `/v1/challenges/new?saleId=${name}`,
        `/v1/webhooks/payments/${name}`,
        `/assets/${name}`,
      ]) {
        const answer = await app.fetch(path, { headers: { ...app.authorization(), [`x-${name}`]: name } });
        expect([path, answer.status < 500]).toEqual([path, true]);
      }
    }
    expect((await app.fetch("/v1/sales/__proto__")).status).toBe(404);
  });

  test("stay clean whatever an operator sends", async () => {
    const staged = stageOperatorApp();
    await createSale(staged);
    const good = JSON.stringify(saleBody(staged, { id: "another" }));
    for (const document of DOCUMENTS) {
      for (const [method, path] of [
        ["POST", "/v1/admin/sales"],
        ["PATCH", "/v1/admin/sales/drop"],
        ["POST", "/v1/admin/bans"],
        ["POST", "/v1/admin/sales/drop/items/shoe/adjust"],
        ["PUT", "/v1/admin/sales/drop/allowlist"],
      ] as const) {
        const headers = { "content-type": "application/json" };
        for (const body of [document, `${good.slice(0, -1)},${document.slice(1)}`]) {
          const { status } = await staged.request(method, path, { body, headers });
          expect([method, path, body, status]).toEqual([method, path, body, 400]);
        }
      }
    }
  });

  test("would be found polluted", () => {
    const merge = (target: Record<string, unknown>, source: Record<string, unknown>): void => {
      for (const [name, value] of Object.entries(source)) {
        if (typeof value === "object" && value !== null) merge(target[name] as never, value as never);
        else target[name] = value;
      }
    };
    merge({}, JSON.parse(`{"__proto__":{"polluted":true}}`));
    expect(({} as Record<string, unknown>)["polluted"]).toBe(true);
    Reflect.deleteProperty(Object.prototype, "polluted");
  });
});
