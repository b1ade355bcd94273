/**
 * A buyer sees, gives back and pays what is his, and nothing else exists.
 */
import { describe, expect, test } from "bun:test";
import { makeBuyerApp, makeOrder, ORIGIN } from "../../../test/support/buyer-app.ts";
import type { BuyerId, Rid, SaleId } from "../../domain/ids.ts";
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

describe("what is accepted and has no order yet", () => {
  const queued = {
    rid: "rid-queued" as Rid,
    buyerId: "alice" as BuyerId,
    quantity: 2,
    saleId: "spring-drop" as SaleId,
    itemId: 41,
    acceptedAtMs: 1_000,
    holdUntil: 2_000,
  };

  test("is shown as queued to its buyer and to nobody else", async () => {
    const app = makeBuyerApp();
    app.world.queued = [queued];
    const response = await call(app, "GET", "/v1/reservations/rid-queued");
    expect(response.status).toBe(200);
    const price = app.world.sales[0]?.items[0]?.price.amount ?? 0;
    expect(ReservationSchema.parse(await response.json())).toMatchObject({
      status: "queued",
      sku: "shoe",
      quantity: 2,
      holdUntil: 2_000,
      createdAt: 1_000,
      amount: { amount: 2 * price },
    });
    expect((await call(app, "GET", "/v1/reservations/rid-queued", "bob")).status).toBe(404);
  });

  test("cannot be given back or paid before it is held, and says so", async () => {
    const app = makeBuyerApp();
    app.world.queued = [queued];
    const given = await call(app, "DELETE", "/v1/reservations/rid-queued");
    expect(given.status).toBe(200);
    expect(ReservationSchema.parse(await given.json()).status).toBe("queued");
    const paid = await call(app, "POST", "/v1/reservations/rid-queued/checkout");
    expect(paid.status).toBe(503);
    expect(await paid.json()).toMatchObject({ reason: "unavailable", retryAfterMs: 500 });
    expect(app.world.returnUrls).toEqual([]);
  });

  test("hides the order that was lost before, once it was accepted again; an order of any other status is the truth", async () => {
    const app = makeBuyerApp();
    app.world.queued = [queued];
    app.world.orders = [makeOrder({ rid: "rid-queued", status: "lost" })];
    const statusOf = async () =>
      ReservationSchema.parse(await (await call(app, "GET", "/v1/reservations/rid-queued")).json()).status;
    expect(await statusOf()).toBe("queued");
    app.world.queued = [];
    expect(await statusOf()).toBe("lost");
    app.world.queued = [queued];
    app.world.orders = [makeOrder({ rid: "rid-queued", status: "expired" })];
    expect(await statusOf()).toBe("expired");
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
