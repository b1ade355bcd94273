/**
 * T10: no page of another site changes anything for a buyer, and only the shop's own page reads our answers.
 */
import { expect, test } from "bun:test";
import { call, expectAccepted } from "../support/answers.ts";
import { freshKey } from "../support/buyer-client.ts";
import type { GetDeployment } from "../support/deployment.ts";
import { patiently } from "./patience.ts";
import { SHOP_ORIGIN } from "./shop-origin.ts";

const EVIL = { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" };

export function describeCrossSite(deployment: GetDeployment): void {
  test("a form, a beacon and a script of another site change nothing", async () => {
    const buyer = await deployment().guest();
    const sale = await deployment().sale();
    const { rid } = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
    const { buyerUrl } = deployment();
    const bodies: ReadonlyArray<readonly [string, string]> = [
      ["application/x-www-form-urlencoded", "kind=guest"],
      ["text/plain", '{"kind":"guest"}'],
      ["multipart/form-data; boundary=x", '--x\r\ncontent-disposition: form-data; name="kind"\r\n\r\nguest\r\n--x--'],
      ["application/json", '{"kind":"guest"}'],
    ];
    for (const [type, body] of bodies) {
      const headers = { ...EVIL, "Content-Type": type };
      const answer = await call(`${buyerUrl}/v1/sessions`, { method: "POST", headers, body });
      expect([type, answer.status, answer.json.reason]).toEqual([type, 403, "cross_site"]);
    }
    const cancelled = await buyer.send({ method: "DELETE", path: `/v1/reservations/${rid}`, headers: EVIL });
    expect([cancelled.status, cancelled.json.reason]).toEqual([403, "cross_site"]);
    expect((await buyer.find(rid)).json.status).toBe("held");
  });

  test("a body that a form can send is no request of ours, from wherever it comes", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      const headers = { "Content-Type": type };
      const answer = await call(`${deployment().buyerUrl}/v1/sessions`, {
        method: "POST",
        headers,
        body: '{"kind":"guest"}',
      });
      expect([type, answer.status]).toEqual([type, 400]);
    }
  });

  test("nothing is bought, cancelled or paid by a GET", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
    for (const path of [
      `/v1/sales/${sale.saleId}/items/${sale.sku}/reservations`,
      `/v1/reservations/${rid}/checkout`,
    ]) {
      expect((await buyer.send({ method: "GET", path, idempotencyKey: freshKey() })).status).toBe(405);
    }
    for (const override of ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"]) {
      const path = `/v1/reservations/${rid}?_method=DELETE`;
      const answer = await buyer.send({ method: "GET", path, headers: { [override]: "DELETE" } });
      expect([override, answer.status, answer.json.status]).toEqual([override, 200, "held"]);
    }
  });

  test("the shop's page buys across origins: preflight, attempt and answer", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const path = `/v1/sales/${sale.saleId}/items/${sale.sku}/reservations`;
    const preflight = await call(`${deployment().buyerUrl}${path}`, {
      method: "OPTIONS",
      headers: {
        Origin: SHOP_ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers":
          "authorization,content-digest,idempotency-key,x-nonce,x-signature,x-timestamp",
      },
    });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, SHOP_ORIGIN]);
    const headers = { Origin: SHOP_ORIGIN, "Sec-Fetch-Site": "cross-site" };
    const accepted = await patiently(async () => await buyer.reserve(sale, { headers }));
    expectAccepted(accepted);
    expect(accepted.headers.get("access-control-allow-origin")).toBe(SHOP_ORIGIN);
    const refused = await patiently(async () => await buyer.reserve({ ...sale, sku: "nothing" }, { headers }));
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([404, SHOP_ORIGIN]);
  });

  test("another origin's page may not read an answer, not even of the hot path, nor is anybody a wildcard", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { buyerUrl, node } = deployment();
    for (const Origin of ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"]) {
      const answers = [
        await call(`${buyerUrl}/v1/sales/${sale.saleId}`, { headers: { Origin } }),
        await patiently(async () => await buyer.reserve({ ...sale, sku: "nothing" }, { headers: { Origin } })),
        await call(`${buyerUrl}/v1/sessions`, {
          method: "OPTIONS",
          headers: { Origin, "Access-Control-Request-Method": "POST" },
        }),
        await call(`${node.adminUrl}/v1/admin/sales`, {
          headers: { Origin, Authorization: `Bearer ${node.adminToken}` },
        }),
      ];
      for (const { headers } of answers) expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });
}
