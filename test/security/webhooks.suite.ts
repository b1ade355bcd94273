/**
 * T11, from outside: an operator names an address, the shop behind it hears of reservations, and no address leads inside.
 */
import { expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { call, expectAccepted } from "../support/answers.ts";
import type { GetDeployment } from "../support/deployment.ts";
import { waitUntil } from "../support/waiting.ts";
import { WebhookReceiver } from "../support/webhook-receiver.ts";
import { HOSTILE_URLS } from "./hostile-urls.ts";
import { patiently } from "./patience.ts";

export function describeOutgoingWebhooks(deployment: GetDeployment): void {
  test("tells a named address of a reservation, signed with the secret that was shown once", async () => {
    const receiver = await WebhookReceiver.start();
    try {
      const { operator } = deployment();
      const made = await operator.must("POST", "/webhooks", { url: receiver.url });
      expect(made.signingSecret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      const listed = await operator.must("GET", "/webhooks");
      expect(listed.webhooks.map((each: { id: string }) => each.id)).toContain(made.id);
      expect(JSON.stringify(listed)).not.toContain(made.signingSecret);
      const sale = await deployment().sale();
      const buyer = await deployment().guest();
      const { rid } = expectAccepted(await patiently(async () => await buyer.reserve(sale)));
      const delivery = await waitUntil("the shop to be told", () =>
        receiver.deliveries.find(({ body }) => body.includes(rid)),
      );
      const message = new Webhook(made.signingSecret).verify(delivery.body, delivery.headers as Record<string, string>);
      expect(message).toMatchObject({
        type: "reservations.held",
        data: { reservations: [{ rid, ...sale, quantity: 1, status: "held", buyerId: buyer.buyerId }] },
      });
      expect((await operator.send("DELETE", `/webhooks/${made.id}`)).status).toBe(204);
      expect((await operator.send("DELETE", `/webhooks/${made.id}`)).status).toBe(404);
    } finally {
      await receiver.stop();
    }
  });

  test("refuses every hostile address by its field, and says nothing of what answers there", async () => {
    const { operator } = deployment();
    // This deployment lets its shop be on loopback, so only what is not there is hostile here.
    const hostile = HOSTILE_URLS.filter(({ leadsTo }) => leadsTo === undefined).filter(
      ({ url }) => !URL.canParse(url) || !new URL(url).hostname.startsWith("127."),
    );
    expect(hostile.length).toBeGreaterThan(30);
    for (const { url } of hostile) {
      const answer = await operator.send("POST", "/webhooks", { url });
      expect([url, answer.status, answer.json.reason]).toEqual([url, 400, "malformed"]);
      expect(answer.json.errors[0].field).toBe("url");
    }
    expect((await operator.must("GET", "/webhooks")).webhooks).toEqual([]);
  });

  test("is the operators' business alone", async () => {
    const { adminUrl, buyerUrl } = deployment().node;
    expect((await call(`${adminUrl}/v1/admin/webhooks`)).status).toBe(401);
    expect((await call(`${buyerUrl}/v1/admin/webhooks`)).status).toBe(404);
  });
}
