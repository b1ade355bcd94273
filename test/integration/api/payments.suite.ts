/**
 * Money: a hold is paid, declined or let go, and whatever order the news arrives in, no unit and no money is lost.
 */
import { expect, test } from "bun:test";
import { type Answer, call, expectAccepted, expectNotFound, expectRefusal } from "../../support/answers.ts";
import type { Buyer } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { seat, waitForState } from "../../support/operator-client.ts";
import { beginCheckout, payInSandbox, press, signNotification } from "../../support/sandbox-checkout.ts";
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

/** Seconds after the checkout's expiry at which late money arrives: after the sweeper has ended the hold. */
const LATE = { lateSeconds: "4", cancelRule: "captured_anyway" };

/** Each waits for its money for seconds, so they wait together. */
function describeLateMoney(deployment: GetDeployment): void {
  async function payLate(stock: number, filledIn: Record<string, string>): Promise<Late> {
    const sale = await deployment().sale({ holdMs: 1_500, items: [seat({ stock })] });
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const { checkoutUrl } = await beginCheckout(buyer, rid);
    await press(checkoutUrl, "late", filledIn);
    return { sale, buyer, rid };
  }

  test.concurrent("gives a unit to money that comes after the hold has expired, when one is left", async () => {
    const { sale, buyer, rid } = await payLate(2, LATE);
    await waitForStatus(buyer, rid, "expired");
    expect((await deployment().operator.audit(sale.saleId)).items[0]).toMatchObject({ free: 2, held: 0, sold: 0 });
    await waitForStatus(buyer, rid, "paid");
    const audit = await deployment().operator.audit(sale.saleId);
    expect(audit).toMatchObject({ balanced: true, items: [{ free: 1, held: 0, sold: 1 }] });
  });

  test.concurrent("sends money back that comes after the hold has expired, when the unit is somebody else's", async () => {
    const { sale, buyer, rid } = await payLate(1, LATE);
    await waitForStatus(buyer, rid, "expired");
    const next = await deployment().guest();
    const taken = await waitUntil("the unit to be sold again", async () => {
      const answer = await next.reserve(sale);
      return answer.status === 201 ? expectAccepted(answer) : null;
    });
    await payInSandbox(next, taken.rid);
    await waitForStatus(next, taken.rid, "paid");
    await waitForStatus(buyer, rid, "refunded");
    const audit = await deployment().operator.audit(sale.saleId);
    expect(audit).toMatchObject({ balanced: true, items: [{ free: 0, held: 0, sold: 1 }] });
  });

  test.concurrent("lets nobody else have a unit while its money is on its way", async () => {
    const { sale, buyer, rid } = await payLate(1, { lateSeconds: "2", cancelRule: "answers_processing" });
    const other = await deployment().guest();
    await waitForStatus(buyer, rid, "expiring");
    await waitUntil("the money to arrive", async () => {
      const answer = await other.reserve(sale);
      expect(answer.json.reason, answer.text).toMatch(/^(empty|sold_out)$/);
      return (await buyer.find(rid)).json.status === "paid";
    });
    expect((await deployment().operator.audit(sale.saleId)).balanced).toBe(true);
  });
}

interface Late {
  readonly sale: { saleId: string; sku: string };
  readonly buyer: Buyer;
  readonly rid: string;
}

function describeNotifications(deployment: GetDeployment): void {
  const url = (): string => `${deployment().buyerUrl}/v1/webhooks/payments/sandbox`;

  async function notify(body: string, headers: Record<string, string>): Promise<Answer> {
    return await call(url(), { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
  }

  async function heldWithPayment(): Promise<Late & { checkoutUrl: string; paymentId: string }> {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const { rid } = expectAccepted(await buyer.reserve(sale));
    return { sale, buyer, rid, ...(await beginCheckout(buyer, rid)) };
  }

  test("believes no notification that the provider did not sign", async () => {
    const { buyer, rid, paymentId } = await heldWithPayment();
    const body = JSON.stringify({ type: "payment.succeeded", data: { paymentId } });
    const genuine = signNotification(deployment().node.secret, { id: "msg_forged", body });
    const old = signNotification(deployment().node.secret, { id: "msg_old", body, atS: Date.now() / 1_000 - 600 });
    const forged: ReadonlyArray<readonly [string, string, Record<string, string>]> = [
      ["no headers", body, {}],
      ["no signature", body, { ...genuine, "webhook-signature": "" }],
      ["another signature", body, { ...genuine, "webhook-signature": `v1,${"A".repeat(43)}=` }],
      ["another version", body, { ...genuine, "webhook-signature": "v1a,AAAA" }],
      ["another id", body, { ...genuine, "webhook-id": "msg_other" }],
      ["another time", body, { ...genuine, "webhook-timestamp": String(Number(genuine["webhook-timestamp"]) + 1) }],
      ["another secret", body, signNotification(`${deployment().node.secret}x`, { id: "msg_forged", body })],
      ["a body written anew", `${body} `, genuine],
      ["ten minutes old", body, old],
    ];
    for (const [name, sent, headers] of forged) {
      const answer = await notify(sent, headers);
      expect([name, answer.status]).toEqual([name, 401]);
      expectRefusal(answer, "signature_invalid");
    }
    expect((await buyer.find(rid)).json.status).toBe("held");
  });

  test("asks the provider instead of believing a genuine notification, in whatever order and number it comes", async () => {
    const { sale, buyer, rid, paymentId, checkoutUrl } = await heldWithPayment();
    const body = JSON.stringify({ type: "payment.succeeded", data: { paymentId } });
    const early = await notify(body, signNotification(deployment().node.secret, { id: `msg_early_${rid}`, body }));
    expect(early.status, early.text).toBeLessThan(300);
    expect((await buyer.find(rid)).json.status).toBe("held");
    await press(checkoutUrl, "pay", { notifyCopies: "10", notifyOrder: "reversed" });
    await waitForStatus(buyer, rid, "paid");
    const late = signNotification(deployment().node.secret, { id: `msg_late_${rid}`, body });
    const answers = await mapBounded(range(50), 50, async () => await notify(body, late));
    for (const answer of answers) expect(answer.status, answer.text).toBeLessThan(300);
    const audit = await deployment().operator.audit(sale.saleId);
    expect(audit).toMatchObject({ balanced: true, violations: [], items: [{ held: 0, sold: 1, free: 9 }] });
  });

  test("notices a payment of which no notification ever arrives", async () => {
    const { buyer, rid, checkoutUrl } = await heldWithPayment();
    await press(checkoutUrl, "pay", { notifySeconds: "86400" });
    const status = (await buyer.find(rid)).json.status;
    expect(status).toMatch(/^(held|paid)$/);
    await buyer.cancel(rid);
    await waitForStatus(buyer, rid, "paid");
  });

  test("takes a notification of a payment that is nobody's without a fault", async () => {
    const body = JSON.stringify({ type: "payment.succeeded", data: { paymentId: "nobodys-payment-0001" } });
    const answer = await notify(body, signNotification(deployment().node.secret, { id: "msg_nobody", body }));
    expect(answer.status, answer.text).toBeLessThan(500);
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
