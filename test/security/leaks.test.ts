/**
 * T29: whatever fails inside, the answer is one of a few sentences: no stack, no statement, no path, no value, and never
 * that a sale is sold out.
 */
import { describe, expect, test } from "bun:test";
import { FAULTS, Fault, type FaultCode } from "../../src/domain/faults.ts";
import { BUYER_ROUTE_TABLE } from "../../src/http/contract/routes.ts";
import { makeBuyerApp } from "../support/buyer-app.ts";
import { createSale, stageOperatorApp } from "../support/operator-app.ts";

const SECRET = "hunter2-in-a-connection-string";
const CAUSE = new Error(`SELECT buyer_id FROM orders WHERE rid = '${SECRET}'; at /srv/doorbuster/src/secret.ts:12:3`);

/** Everything that a store could throw at us. */
const FAILURES: readonly (readonly [string, Error])[] = [
  ["an error of a driver", CAUSE],
  ["an error without a message", new Error("")],
  ["a range error", new RangeError(SECRET)],
  ...(Object.keys(FAULTS) as FaultCode[]).map(
    (code) => [code, new Fault(code, { cause: CAUSE, internal: `postgres://doorbuster:${SECRET}@db` })] as const,
  ),
];

const LEAKS = [
  SECRET,
  "SELECT",
  "postgres://",
  "/srv/",
  ".ts:",
  "    at ",
  "node_modules",
  "Error:",
  "orders WHERE",
  "sold_out",
  '"empty"',
];

function leaksIn(text: string): readonly string[] {
  return LEAKS.filter((leak) => text.includes(leak));
}

/** Everything an answer says: status line aside, its headers and its body. */
async function wholeTextOf(answer: Response): Promise<string> {
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return `${headers}\n\n${await answer.text()}`;
}

describe("T29: when something inside fails", () => {
  const parameters: Readonly<Record<string, string>> = {
    saleId: "spring-drop",
    rid: "rid-of-alice",
    provider: "sandbox",
  };
  // The contract names every refusal there is, and asks nobody for anything.
  const routes = BUYER_ROUTE_TABLE.filter(
    ({ path }) => path.startsWith("/v1/") && !path.includes("{sku}") && path !== "/v1/openapi.json",
  );

  test.each(FAILURES)("by %s, buyers hear nothing of it on any route", async (_, failure) => {
    const app = makeBuyerApp();
    app.world.failure = failure;
    let failed = 0;
    for (const { method, path } of routes) {
      const filled = path.replace(/\{(\w+)\}/g, (__, name: string) => parameters[name] ?? "x");
      const answer = await app.fetch(filled, {
        method,
        headers: { ...app.authorization(), "webhook-signature": "good", "content-type": "application/json" },
        ...(method === "POST" ? { body: path.endsWith("/sessions") ? '{"kind":"guest"}' : "{}" } : {}),
      });
      if (answer.status >= 500) failed += 1;
      expect([method, path, leaksIn(await wholeTextOf(answer))]).toEqual([method, path, []]);
    }
    expect(failed).toBeGreaterThan(2);
  });

  test.each(FAILURES)("by %s, operators hear what they can act on and no more", async (_, failure) => {
    const staged = stageOperatorApp();
    await createSale(staged);
    staged.fault = failure;
    for (const path of ["/v1/admin/sales", "/v1/admin/sales/drop", "/v1/admin/sales/drop/orders"]) {
      const answer = await staged.request("GET", path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      const text = await wholeTextOf(answer);
      // A conflict is the one fault whose own words are written for operators.
      const isConflict = failure instanceof Fault && failure.code === "SALE_CONFLICT";
      expect([path, isConflict ? [] : leaksIn(text)]).toEqual([path, []]);
    }
  });

  test("a leak would be seen", () => {
    expect(leaksIn(`{"detail":"${CAUSE.message}"}`).length).toBeGreaterThan(3);
  });
});
