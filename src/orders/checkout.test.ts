import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { buyerIdOf, MemoryOrders, PRICE } from "../../test/support/memory-orders.ts";
import { RecordingLog } from "../../test/support/recording-log.ts";
import { ScriptedProvider } from "../../test/support/scripted-provider.ts";
import { Fault, isFault } from "../domain/faults.ts";
import { createCheckoutService, paymentExpiresAt } from "./checkout.ts";
import { createSettlement } from "./settlement.ts";

const RETURN_URL = "https://shop.example/sales/sale";

function setUp() {
  const clock = new ManualClock();
  const orders = new MemoryOrders(clock, 10);
  const provider = new ScriptedProvider();
  const log = new RecordingLog();
  const settlement = createSettlement({ orders, provider, log });
  const service = createCheckoutService({ orders, provider, settlement, clock, log });
  return { clock, orders, provider, log, service };
}

test("opens one payment for an order however often it is asked, and attaches it", async () => {
  const { orders, provider, service, clock } = setUp();
  const rid = orders.hold("rid-1");
  const first = await service.checkout(orders.order(rid), RETURN_URL);
  await clock.advance(5_000);
  const second = await service.checkout(orders.order(rid), RETURN_URL);
  expect(first).toMatchObject({ kind: "created", paymentId: "pay_1" });
  expect(second).toEqual(first);
  expect(provider.payments.size).toBe(1);
  expect(provider.payments.get("pay_1")?.request).toMatchObject({ idempotencyKey: `pay:${rid}`, rid, amount: PRICE });
  expect(orders.order(rid).paymentId).toBe("pay_1");
});

test("lets the provider stop taking money 60 s before a hold of ten minutes ends", async () => {
  const { orders, provider, service } = setUp();
  const rid = orders.hold("rid-1", { holdMs: 600_000 });
  await service.checkout(orders.order(rid), RETURN_URL);
  expect(provider.payments.get("pay_1")?.request.expiresAt).toBe(orders.order(rid).holdUntil - 60_000);
});

test("keeps most of a short hold for paying", () => {
  expect(paymentExpiresAt({ createdAt: 0, holdUntil: 10_000 })).toBe(8_000);
  expect(paymentExpiresAt({ createdAt: 0, holdUntil: 0 })).toBe(0);
});

test("refuses an order that is not held, and opens no payment for it", async () => {
  const { orders, provider, service } = setUp();
  const rid = orders.hold("rid-1");
  await orders.cancelHold({ rid, buyerId: buyerIdOf("buyer") });
  expect(await service.checkout(orders.order(rid), RETURN_URL)).toMatchObject({ refusal: { reason: "ended" } });
  expect(provider.calls).toEqual([]);
});

test("opens no payment in the margin before the end of the hold", async () => {
  const { orders, provider, service, clock } = setUp();
  const rid = orders.hold("rid-1", { holdMs: 600_000 });
  await clock.advance(540_000);
  expect(await service.checkout(orders.order(rid), RETURN_URL)).toMatchObject({ refusal: { reason: "ended" } });
  expect(provider.payments.size).toBe(0);
});

test("cancels the payment when the hold ended while it was opened", async () => {
  const { orders, provider, service } = setUp();
  const rid = orders.hold("rid-1");
  provider.after = async (operation) => {
    if (operation === "createCheckout") await orders.cancelHold({ rid, buyerId: buyerIdOf("buyer") });
  };
  expect(await service.checkout(orders.order(rid), RETURN_URL)).toMatchObject({ refusal: { reason: "ended" } });
  expect(provider.payments.get("pay_1")?.status).toBe("cancelled");
  expect(orders.free).toBe(10);
});

test("settles instead when that payment turns out to be paid", async () => {
  const { orders, provider, service } = setUp();
  const rid = orders.hold("rid-1");
  await service.checkout(orders.order(rid), RETURN_URL);
  const stale = { ...orders.order(rid) };
  provider.pay("pay_1");
  await orders.cancelHold({ rid, buyerId: buyerIdOf("buyer") });
  expect(orders.order(rid).status).toBe("expiring");
  expect(await service.checkout(stale, RETURN_URL)).toMatchObject({ refusal: { reason: "ended" } });
  expect(orders.order(rid).status).toBe("paid");
});

test("still answers when the payment of an ended hold cannot be cancelled, and says so in the log", async () => {
  const { orders, provider, service, log } = setUp();
  const rid = orders.hold("rid-1");
  provider.after = async (operation) => {
    if (operation === "createCheckout") await orders.cancelHold({ rid, buyerId: buyerIdOf("buyer") });
  };
  provider.before = (operation) => {
    if (operation === "cancel") throw new Fault("PROVIDER_UNAVAILABLE");
  };
  expect(await service.checkout(orders.order(rid), RETURN_URL)).toMatchObject({ refusal: { reason: "ended" } });
  expect(log.count("warn")).toBe(1);
});

test("attaches nothing when the provider gives no answer, and the next try finds the same payment", async () => {
  const { orders, provider, service } = setUp();
  const rid = orders.hold("rid-1");
  provider.after = () => {
    throw new Fault("PROVIDER_UNAVAILABLE");
  };
  const failure = await service.checkout(orders.order(rid), RETURN_URL).catch((error: unknown) => error);
  expect(isFault(failure, "PROVIDER_UNAVAILABLE")).toBe(true);
  expect(orders.order(rid).paymentId).toBeNull();
  provider.after = () => undefined;
  expect(await service.checkout(orders.order(rid), RETURN_URL)).toMatchObject({ kind: "created", paymentId: "pay_1" });
});
