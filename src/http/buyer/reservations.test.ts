/**
 * A buyer sees, gives back and pays what is his, and nothing else exists.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp, makeOrder, ORIGIN } from "../../../test/support/buyer-app.ts";
import { CheckoutSchema, ReservationListSchema, ReservationSchema } from "../contract/schemas.ts";

type App = ReturnType<typeof makeBuyerApp>;
const call = (app: App, method: string, path: string, buyerId = "alice") =>
  app.fetch(path, { method, headers: app.authorization(buyerId) });

describe("reading", () => {
  test("shows the owner's view and none of the server's own fields", async () => {
    const app = makeBuyerApp();
    app.world.orders = [makeOrder({ paymentId: "pay_secret", status: "expired", reason: "hold ended" })];
    const response = await call(app, "GET", "/v1/reservations/rid-of-alice");
    expect(response.status).toBe(200);
    const reservation = ReservationSchema.parse(await response.json());
    expect(reservation).toMatchObject({ rid: "rid-of-alice", status: "expired", reason: "hold ended" });
  });

  test("answers a stranger's reservation, an unknown one and a hostile id in the same words", async () => {
    const app = makeBuyerApp();
    const texts = await Promise.all(
      ["rid-of-bob", "rid-of-nobody", "..%2F..", "%00", "a".repeat(65)].map(async (rid) => {
        const response = await call(app, "GET", `/v1/reservations/${rid}`);
        expect(response.status).toBe(404);
        return await response.text();
      }),
    );
    expect(new Set(texts).size).toBe(1);
  });

  test("lists the buyer's own, of one sale when asked", async () => {
    const app = makeBuyerApp();
    app.world.orders.push(makeOrder({ rid: "rid-of-other-sale", saleId: "other" }));
    const list = async (query: string) =>
      ReservationListSchema.parse(await (await call(app, "GET", `/v1/reservations${query}`)).json()).reservations;
    expect((await list("")).map(({ rid }) => rid)).toEqual(["rid-of-alice", "rid-of-other-sale"]);
    expect((await list("?saleId=other")).map(({ rid }) => rid)).toEqual(["rid-of-other-sale"]);
    expect(await list("?saleId=nothing")).toEqual([]);
  });

  test.each(["?saleId=", "?saleId=a%20b", "?saleId=a&saleId=b", "?saleId='--"])(
    "refuses the query %s",
    async (query) => {
      expect((await call(makeBuyerApp(), "GET", `/v1/reservations${query}`)).status).toBe(400);
    },
  );

  test("too often is throttled without asking the store", async () => {
    const app = makeBuyerApp();
    app.world.readRefusal = { reason: "throttled", retryAfterMs: 200 };
    app.world.failure = new Error("the store was asked");
    expect((await call(app, "GET", "/v1/reservations/rid-of-alice")).status).toBe(429);
  });
});

describe("giving back", () => {
  test("cancels a hold, and says the same when asked again", async () => {
    const app = makeBuyerApp();
    for (let times = 0; times < 2; times += 1) {
      const response = await call(app, "DELETE", "/v1/reservations/rid-of-alice");
      expect(response.status).toBe(200);
      expect(ReservationSchema.parse(await response.json()).status).toBe("cancelled");
    }
  });

  test("of a stranger's hold does nothing", async () => {
    const app = makeBuyerApp();
    expect((await call(app, "DELETE", "/v1/reservations/rid-of-bob")).status).toBe(404);
    expect(app.world.orders.every((order) => order.status === "held")).toBe(true);
  });
});

describe("going to pay", () => {
  test("answers where to pay, and has the buyer sent back to this deployment whatever Host says", async () => {
    const app = makeBuyerApp({ settings: { publicUrl: () => `${ORIGIN}/` } });
    const response = await app.fetch("/v1/reservations/rid-of-alice/checkout", {
      method: "POST",
      headers: { ...app.authorization(), host: "evil.test", "x-forwarded-host": "evil.test" },
    });
    expect(response.status).toBe(201);
    expect(CheckoutSchema.parse(await response.json()).paymentId).toBe("pay_1");
    expect(app.world.returnUrls).toEqual([`${ORIGIN}/sales/spring-drop?rid=rid-of-alice`]);
  });

  test("for what is not held has ended", async () => {
    const app = makeBuyerApp();
    app.world.orders = [makeOrder({ status: "expired" })];
    const response = await call(app, "POST", "/v1/reservations/rid-of-alice/checkout");
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ reason: "ended" });
  });

  test("for a stranger does not reach the provider", async () => {
    const app = makeBuyerApp();
    expect((await call(app, "POST", "/v1/reservations/rid-of-bob/checkout")).status).toBe(404);
    expect(app.world.returnUrls).toEqual([]);
  });

  test("takes no amount, address or other member", async () => {
    const app = makeBuyerApp();
    for (const body of ['{"amount":1}', '{"returnUrl":"https://evil.test"}', "[]"]) {
      const headers = { ...app.authorization(), "content-type": "application/json" };
      const response = await app.fetch("/v1/reservations/rid-of-alice/checkout", { method: "POST", headers, body });
      expect(response.status).toBe(400);
    }
    expect(app.world.returnUrls).toEqual([]);
  });
});

describe("a signature that is sent", () => {
  const path = "/v1/reservations/rid-of-alice";

  test("is checked over method, path and query", async () => {
    const app = makeBuyerApp();
    const headers = app.signedHeaders({ method: "GET", path: `${path}?a=1`, nonce: "n".repeat(16) });
    expect((await app.fetch(`${path}?a=1`, { headers })).status).toBe(200);
    for (const [method, other] of [
      ["GET", path],
      ["GET", `${path}?a=2`],
      ["DELETE", `${path}?a=1`],
    ] as const) {
      const response = await app.fetch(other, { method, headers });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ reason: "signature_invalid" });
    }
  });

  test("covers the body of a checkout", async () => {
    const app = makeBuyerApp();
    const send = (body: string, signed: string) =>
      app.fetch(`${path}/checkout`, {
        method: "POST",
        body,
        headers: {
          ...app.signedHeaders({
            method: "POST",
            path: `${path}/checkout`,
            body: signed,
            nonce: `${body.length}`.padEnd(16, "n"),
          }),
          "content-type": "application/json",
        },
      });
    expect((await send("{}", "{}")).status).toBe(201);
    expect(await (await send("{ }", "{}")).json()).toMatchObject({ reason: "signature_invalid" });
  });
});
