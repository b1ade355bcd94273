/**
 * T13 and T27: a text is a text. It is stored and shown as it was written, or refused with 400; it never runs.
 */
import { expect, test } from "bun:test";
import { call } from "../support/answers.ts";
import { freshKey } from "../support/buyer-client.ts";
import type { GetDeployment } from "../support/deployment.ts";
import { saleSpec, seat } from "../support/operator-client.ts";
import { HOSTILE_TEXTS } from "./hostile-texts.ts";
import { patiently } from "./patience.ts";

export function describeHostileTexts(deployment: GetDeployment): void {
  test("a hostile name, description or reason is kept word for word or refused as malformed", async () => {
    const { operator, buyerUrl } = deployment();
    const wrong: string[] = [];
    let kept = 0;
    for (const text of HOSTILE_TEXTS) {
      const spec = saleSpec({ name: text, description: text, items: [seat({ name: text, stock: 5 })] });
      const created = await operator.send("POST", "/sales", spec);
      if (created.status === 400) continue;
      if (created.status !== 201) {
        wrong.push(`${JSON.stringify(text)}: ${created.status} ${created.text}`);
        continue;
      }
      kept += 1;
      const found = await operator.must("GET", `/sales/${created.json.id}`);
      expect([found.name, found.description, found.items[0].name]).toEqual([text, text, text]);
      const path = `/sales/${created.json.id}/items/seat/adjust`;
      const adjusted = await operator.send("POST", path, { delta: 1, reason: text });
      if (![200, 400].includes(adjusted.status)) wrong.push(`reason ${JSON.stringify(text)}: ${adjusted.status}`);
      expect((await operator.audit(created.json.id)).balanced).toBe(true);
    }
    expect(wrong).toEqual([]);
    expect(kept).toBeGreaterThan(15);
    expect((await call(`${buyerUrl}/v1/sales`)).status).toBe(200);
  });

  test("no hostile text in any other field of the operator's is a fault", async () => {
    const { operator } = deployment();
    const { saleId } = await deployment().sale();
    const wrong: string[] = [];
    for (const text of HOSTILE_TEXTS) {
      const answers = [
        await operator.send("POST", "/sales", saleSpec({ id: text })),
        await operator.send("POST", "/sales", saleSpec({ items: [seat({ sku: text })] })),
        await operator.send("POST", "/sales", saleSpec({ items: [seat({ price: { amount: 1, currency: text } })] })),
        await operator.send("POST", "/sales", saleSpec({ eligibility: { blocklist: [text] } })),
        await operator.send("PATCH", `/sales/${saleId}`, { imageUrl: text }),
        await operator.send("POST", "/bans", { kind: "buyer", subject: text, reason: text }),
        await operator.send("GET", `/sales/${saleId}/orders?status=${encodeURIComponent(text)}`),
        await operator.send("GET", `/sales/${encodeURIComponent(text)}/audit`),
        await operator.send("DELETE", `/bans/${encodeURIComponent(text)}`),
      ];
      answers.forEach((answer, index) => {
        if (answer.status >= 500) wrong.push(`${index} ${JSON.stringify(text)}: ${answer.status} ${answer.text}`);
      });
    }
    expect(wrong).toEqual([]);
  });

  test("no hostile text in any field of the buyers' is a fault, and none takes a unit", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const wrong: string[] = [];
    for (const text of HOSTILE_TEXTS) {
      const encoded = encodeURIComponent(text);
      const path = `/v1/sales/${sale.saleId}/items/${sale.sku}/reservations`;
      const answers = [
        await buyer.send({ method: "GET", path: `/v1/reservations?saleId=${encoded}` }),
        await buyer.send({ method: "GET", path: `/v1/reservations/${encoded}` }),
        await buyer.send({ method: "GET", path: `/v1/events?ticket=${encoded}` }),
        await patiently(
          async () => await buyer.send({ path, body: JSON.stringify({ quantity: text }), idempotencyKey: freshKey() }),
        ),
        await patiently(
          async () =>
            await buyer.send({
              path,
              body: JSON.stringify({ quantity: 1, challenge: text }),
              idempotencyKey: freshKey(),
            }),
        ),
        await buyer.send({ path: "/v1/sessions", body: JSON.stringify({ kind: "jwt", token: text }) }),
        await call(`${deployment().buyerUrl}/v1/sales/${encoded}`),
        await call(`${deployment().buyerUrl}/v1/challenges/new?saleId=${encoded}`),
      ];
      answers.forEach((answer, index) => {
        if (answer.status < 400 || answer.status >= 500) {
          wrong.push(`${index} ${JSON.stringify(text)}: ${answer.status} ${answer.text.slice(0, 200)}`);
        }
      });
    }
    expect(wrong).toEqual([]);
    expect((await buyer.list(sale.saleId)).json.reservations).toEqual([]);
  });
}
