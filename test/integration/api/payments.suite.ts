/**
 * Money: a hold is paid, declined or let go, and whatever order the news arrives in, no unit and no money is lost.
 */
import { expect, test } from "bun:test";
import { type Answer, call, expectAccepted, expectNotFound, expectRefusal } from "../../support/answers.ts";
import type { Buyer } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { beginCheckout, payInSandbox, press } from "../../support/sandbox-checkout.ts";
import { mapBounded, range, waitUntil } from "../../support/waiting.ts";

async function waitForStatus(buyer: Buyer, rid: string, status: string, withinMs = 15_000): Promise<void> {
  await waitUntil(
    `reservation ${rid} to be ${status}`,
    async () => {
      const seen = (await buyer.find(rid)).json;
      if (seen.status !== status) throw new Error(`it is ${seen.status}`);
      return true;
    },
    { withinMs },
  );
}

function describeCheckout(deployment: GetDeployment): void {
  test("takes a hold through checkout and payment to paid, and sells the unit for good", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1 })] });
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const answer = await buyer.checkout(rid);
    expect([answer.status, Object.keys(answer.json).sort()]).toEqual([201, ["checkoutUrl", "paymentId"]]);
    expect(new URL(answer.json.checkoutUrl).protocol).toMatch(/^https?:$/);
    await press(answer.json.checkoutUrl, "pay");
    await waitForStatus(buyer, rid, "paid");
    await waitForState(deployment().buyerUrl, sale.saleId, "sold_out");
    expect((await deployment().operator.audit(sale.saleId)).items[0]).toMatchObject({ held: 0, sold: 1, free: 0 });
    expect((await buyer.cancel(rid)).json.status).toBe("paid");
  });

  test("opens one payment for a hold, however often checkout is asked for", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const checkouts = await mapBounded(range(10), 10, async () => await beginCheckout(buyer, rid));
    expect(new Set(checkouts.map((checkout) => checkout.paymentId)).size).toBe(1);
  });

  test("keeps a declined hold, which can be paid in a second try", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const { checkoutUrl } = await beginCheckout(buyer, rid);
    await press(checkoutUrl, "decline");
    expect((await buyer.find(rid)).json.status).toBe("held");
    await payInSandbox(buyer, rid);
    await waitForStatus(buyer, rid, "paid");
  });

  test("refuses the checkout of a reservation that has ended", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    await buyer.cancel(rid);
    expectRefusal(await buyer.checkout(rid), "ended");
  });

  test("cancels the payment before it gives a hold back, so that the old checkout page takes no money", async () => {
    const sale = await deployment().sale({ items: [seat({ stock: 1 })] });
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const { checkoutUrl } = await beginCheckout(buyer, rid);
    expect((await buyer.cancel(rid)).json.status).toMatch(/^(expiring|cancelled)$/);
    await waitForStatus(buyer, rid, "cancelled");
    await press(checkoutUrl, "pay").catch((error: Error) => error);
    const next = await deployment().guest();
    await waitUntil("the unit to be for sale again", async () => (await next.reserve(sale)).status === 201);
    expect((await buyer.find(rid)).json.status).toBe("cancelled");
    expect((await deployment().operator.audit(sale.saleId)).balanced).toBe(true);
  });
}

function describeLateMoney(deployment: GetDeployment): void {
  test("gives the unit to money that comes after the hold when a unit is left", async () => {
    const sale = await deployment().sale({ holdMs: 1_500, items: [seat({ stock: 2 })] });
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const { checkoutUrl } = await beginCheckout(buyer, rid);
    await press(checkoutUrl, "late");
    await waitForStatus(buyer, rid, "paid", 30_000);
    const audit = await deployment().operator.audit(sale.saleId);
    expect([audit.balanced, audit.items[0].sold]).toEqual([true, 1]);
  }, 60_000);

  test("never loses late money and never oversells for it: it is paid, or it goes back", async () => {
    const sale = await deployment().sale({ holdMs: 1_500, items: [seat({ stock: 1 })] });
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const { checkoutUrl } = await beginCheckout(buyer, rid);
    await press(checkoutUrl, "late");
    const others = range(3).map(() => deployment().mintedGuest());
    const end = await waitUntil(
      "the late payment to end",
      async () => {
        for (const other of others) await other.reserve(sale);
        const { status } = (await buyer.find(rid)).json;
        return status === "paid" || status === "refunded" ? status : null;
      },
      { withinMs: 30_000 },
    );
    const audit = await deployment().operator.audit(sale.saleId);
    expect(audit).toMatchObject({ balanced: true, violations: [] });
    expect(audit.items[0].held + audit.items[0].sold).toBeLessThanOrEqual(1);
    expect(audit.items[0].sold).toBe(end === "paid" ? 1 : 0);
  }, 60_000);
}

function describeNotifications(deployment: GetDeployment): void {
  const url = (): string => `${deployment().buyerUrl}/v1/webhooks/payments/sandbox`;

  async function notify(body: string, headers: Record<string, string>): Promise<Answer> {
    return await call(url(), { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
  }

  test("believes no notification that the provider did not sign", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const { paymentId } = await beginCheckout(buyer, rid);
    const body = JSON.stringify({ type: "payment.succeeded", data: { paymentId, id: paymentId } });
    const nowS = String(Math.floor(Date.now() / 1_000));
    const forged = [
      {},
      { "webhook-id": "msg_1", "webhook-timestamp": nowS },
      { "webhook-id": "msg_1", "webhook-timestamp": nowS, "webhook-signature": "" },
      { "webhook-id": "msg_1", "webhook-timestamp": nowS, "webhook-signature": `v1,${"A".repeat(43)}=` },
      { "webhook-id": "msg_1", "webhook-timestamp": nowS, "webhook-signature": "v1a,AAAA" },
      { "webhook-id": "msg_1", "webhook-timestamp": "0", "webhook-signature": `v1,${"A".repeat(43)}=` },
    ];
    for (const headers of forged) expectRefusal(await notify(body, headers), "signature_invalid");
    expect((await buyer.find(rid)).json.status).toBe("held");
  });

  test("knows no provider but its own", async () => {
    expectNotFound(await call(`${deployment().buyerUrl}/v1/webhooks/payments/stripe`, { method: "POST", body: "{}" }));
  });
}

export function describePayments(deployment: GetDeployment): void {
  describeCheckout(deployment);
  describeLateMoney(deployment);
  describeNotifications(deployment);
}
