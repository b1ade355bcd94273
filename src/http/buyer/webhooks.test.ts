/**
 * Payment notifications reach the settlement as the bytes they were, and answers make the provider do the right thing.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp } from "../../../test/support/buyer-app.ts";
import { Fault } from "../../domain/faults.ts";
import { BODY_BYTES_MAX } from "../request-body.ts";

function notify(
  app: ReturnType<typeof makeBuyerApp>,
  body: NonNullable<RequestInit["body"]>,
  signature = "good",
  provider = "sandbox",
) {
  return app.fetch(`/v1/webhooks/payments/${provider}`, {
    method: "POST",
    body,
    headers: { "webhook-signature": signature, "content-type": "application/json" },
  });
}

describe("a notification", () => {
  test("is handed over with its raw body, spaces, order and all", async () => {
    const app = makeBuyerApp();
    const body = '{ "b":1,  "a":"ü" }\n';
    const response = await notify(app, body);
    expect(response.status).toBe(204);
    expect(app.world.notifications).toEqual([{ provider: "sandbox", body, signature: "good" }]);
  });

  test("that the provider did not sign is refused, and a flood of them writes one line", async () => {
    const app = makeBuyerApp();
    for (let times = 0; times < 50; times += 1) {
      const response = await notify(app, "{}", "bad");
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ reason: "signature_invalid" });
    }
    expect(app.world.lines.length).toBe(1);
  });

  test.each(["stripe", "Sandbox", "__proto__", "a".repeat(17), "sand-box"])(
    "of the provider %s finds nobody",
    async (provider) => {
      expect((await notify(makeBuyerApp(), "{}", "good", provider)).status).toBe(404);
    },
  );

  test("is asked for again while the database is away", async () => {
    const app = makeBuyerApp();
    app.world.failure = new Fault("DATABASE_UNAVAILABLE");
    expect((await notify(app, "{}")).status).toBe(503);
  });

  test("over 64 KB is refused before it is hashed", async () => {
    expect((await notify(makeBuyerApp(), "x".repeat(BODY_BYTES_MAX + 1))).status).toBe(413);
    expect((await notify(makeBuyerApp(), "x".repeat(BODY_BYTES_MAX))).status).toBe(204);
  });

  test("that is not UTF-8 is refused instead of being changed", async () => {
    const app = makeBuyerApp();
    expect((await notify(app, new Uint8Array([0x7b, 0xff, 0x7d]))).status).toBe(400);
    expect(app.world.notifications).toEqual([]);
  });
});
