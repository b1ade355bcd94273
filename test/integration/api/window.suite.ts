/**
 * The gate: the server's clock alone opens it, and what the public document says about it is true.
 */
import { expect, test } from "bun:test";
import { type Answer, call, expectRefusal } from "../../support/answers.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { range } from "../../support/waiting.ts";

const CLIENTS = 12;
const OPENS_IN_MS = 1_200;

export function describeWindow(deployment: GetDeployment): void {
  test("lets nobody in one millisecond early and everybody after, by the server's clock", async () => {
    const opensAt = Date.now() + OPENS_IN_MS;
    const sale = await deployment().sale({ opensAt, items: [seat({ stock: 1_000 })] });
    const answers: Answer[] = [];
    const buyers = range(CLIENTS).map(() => deployment().mintedGuest());
    await Promise.all(
      buyers.map(async (buyer) => {
        for (;;) {
          const answer = await buyer.reserve(sale);
          answers.push(answer);
          if (answer.status === 201) break;
          const problem = expectRefusal(answer, "not_open", { retryAfter: true });
          expect(problem.opensAt).toBe(opensAt);
          expect(problem.serverNow).toBeLessThan(opensAt);
          expect(problem.retryAfterMs).toBeLessThanOrEqual(Math.max(OPENS_IN_MS * 2, 1_000));
        }
      }),
    );
    const refusedAt = answers
      .filter((answer) => answer.status === 425)
      .map((answer) => answer.json.serverNow as number);
    expect(Math.max(...refusedAt)).toBeGreaterThan(opensAt - 100);
    for (const buyer of buyers) {
      const { reservations } = (await buyer.list(sale.saleId)).json;
      expect(reservations).toHaveLength(1);
      expect(reservations[0].createdAt).toBeGreaterThanOrEqual(opensAt);
    }
  });

  test("closes at its instant and refuses from then on", async () => {
    const closesAt = Date.now() + 1_500;
    const sale = await deployment().sale({ closesAt, items: [seat({ stock: 1_000 })] });
    await waitForState(deployment().buyerUrl, sale.saleId, "closed");
    expect(Date.now()).toBeGreaterThanOrEqual(closesAt - 5);
    expectRefusal(await (await deployment().guest()).reserve(sale), "closed");
  });

  test("shows the public document of the contract and never an exact count", async () => {
    const spec = { description: "Rows A to C", items: [seat({ stock: 777 })] };
    const { saleId } = await deployment().sale(spec);
    const answer = await call(`${deployment().buyerUrl}/v1/sales/${saleId}`);
    const sale = answer.json;
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    expect(answer.headers.get("cache-control")).toMatch(/max-age=1\b/);
    expect(Object.keys(sale).sort()).toEqual(
      [
        "challenge",
        "closesAt",
        "description",
        "id",
        "items",
        "name",
        "opensAt",
        "serverNow",
        "signature",
        "state",
      ].sort(),
    );
    expect(sale.items).toEqual([
      {
        sku: "seat",
        name: "A seat",
        price: { amount: 4_900, currency: "EUR" },
        perBuyerMax: 2,
        availability: "plenty",
      },
    ]);
    expect([sale.state, sale.challenge, sale.signature]).toEqual(["open", "none", "required"]);
    // As a number of its own: an instant may hold these digits.
    expect(answer.text).not.toMatch(/\b777\b/);
  });

  test("says nothing new to a client that has the newest document", async () => {
    const { saleId } = await deployment().sale();
    const url = `${deployment().buyerUrl}/v1/sales/${saleId}`;
    const etag = (await call(url)).headers.get("etag") as string;
    expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
    const unchanged = await call(url, { headers: { "If-None-Match": etag } });
    expect([unchanged.status, unchanged.text]).toEqual([304, ""]);
    await deployment().operator.command(saleId, "pause");
    await waitForState(deployment().buyerUrl, saleId, "paused");
    expect((await call(url, { headers: { "If-None-Match": etag } })).status).toBe(200);
  });

  test("tells its time, uncached", async () => {
    const before = Date.now();
    const answer = await call(`${deployment().buyerUrl}/v1/time`);
    expect(answer.json.now).toBeGreaterThanOrEqual(before);
    expect(answer.json.now).toBeLessThanOrEqual(Date.now());
    expect(Object.keys(answer.json)).toEqual(["now"]);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test("serves the generated contract with every path of the buyer API", async () => {
    const { paths } = (await call(`${deployment().buyerUrl}/v1/openapi.json`)).json;
    for (const path of [
      "/v1/time",
      "/v1/sales/{saleId}",
      "/v1/sessions",
      "/v1/sales/{saleId}/items/{sku}/reservations",
      "/v1/reservations/{rid}",
      "/v1/reservations",
      "/v1/reservations/{rid}/checkout",
      "/v1/webhooks/payments/{provider}",
      "/v1/events",
      "/v1/events/tickets",
      "/v1/challenges/new",
      "/v1/challenges",
    ]) {
      expect(Object.keys(paths)).toContain(path);
    }
  });
}
