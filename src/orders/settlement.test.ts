import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { buyerIdOf, MemoryOrders, PRICE } from "../../test/support/memory-orders.ts";
import { RecordingLog } from "../../test/support/recording-log.ts";
import { ScriptedProvider } from "../../test/support/scripted-provider.ts";
import { isFault } from "../domain/faults.ts";
import { createSettlement } from "./settlement.ts";

const SIGNED = { signed: "yes" };

async function setUp(options: { units?: number } = {}) {
  const clock = new ManualClock();
  const orders = new MemoryOrders(clock, options.units ?? 10);
  const provider = new ScriptedProvider();
  const log = new RecordingLog();
  const settlement = createSettlement({ orders, provider, log });
  const rid = orders.hold("rid-1");
  const { paymentId } = await provider.createCheckout({
    idempotencyKey: `pay:${rid}`,
    rid,
    description: "1 × Seat",
    amount: PRICE,
    expiresAt: clock.nowMs() + 540_000,
    returnUrl: "https://shop.example/",
  });
  await orders.attachPayment({ rid, paymentId });
  return { clock, orders, provider, log, settlement, rid, paymentId };
}

test("pays an order when its notification comes", async () => {
  const { orders, provider, settlement, rid, paymentId } = await setUp();
  provider.pay(paymentId);
  const outcome = await settlement.notified("scripted", `n1 ${paymentId}`, SIGNED);
  expect(outcome).toEqual({ kind: "taken", settlement: "paid" });
  expect([orders.order(rid).status, orders.sold]).toEqual(["paid", 1]);
});

test("asks nobody about a notification that the provider did not sign", async () => {
  const { provider, settlement, paymentId } = await setUp();
  provider.pay(paymentId);
  const asked = provider.count("retrieve");
  const failure = await settlement.notified("scripted", `n1 ${paymentId}`, {}).catch((error: unknown) => error);
  expect(isFault(failure, "NOTIFICATION_FORGED")).toBe(true);
  expect(provider.count("retrieve")).toBe(asked);
});

test("believes the payment, not the notification: unpaid stays held, and the same notification can settle it later", async () => {
  const { orders, provider, settlement, rid, paymentId } = await setUp();
  const early = await settlement.notified("scripted", `n1 ${paymentId}`, SIGNED);
  expect([early, orders.order(rid).status]).toEqual([{ kind: "taken", settlement: "not_paid" }, "held"]);
  provider.pay(paymentId);
  await settlement.notified("scripted", `n1 ${paymentId}`, SIGNED);
  expect(orders.order(rid).status).toBe("paid");
});

test("takes a notification once, however often it comes, and others for the same money change nothing", async () => {
  const { orders, provider, settlement, paymentId } = await setUp();
  provider.pay(paymentId);
  const outcomes = await Promise.all(
    ["n1", "n1", "n2", "n1"].map((id) => settlement.notified("scripted", `${id} ${paymentId}`, SIGNED)),
  );
  const settlements = outcomes.map((outcome) => (outcome.kind === "taken" ? outcome.settlement : outcome.kind));
  expect(settlements.sort()).toEqual(["duplicate", "duplicate", "paid", "unchanged"]);
  expect(orders.sold).toBe(1);
});

test("compares what was captured with the order: a wrong amount goes back", async () => {
  const { orders, provider, settlement, log, rid, paymentId } = await setUp();
  provider.pay(paymentId, { amount: PRICE.amount - 1, currency: PRICE.currency });
  expect(await settlement.settle(paymentId)).toBe("refund_due");
  expect([orders.order(rid).status, orders.sold, log.count("warn")]).toEqual(["refund_due", 0, 1]);
});

test("compares the currency too", async () => {
  const { provider, settlement, paymentId } = await setUp();
  provider.pay(paymentId, { amount: PRICE.amount, currency: "JPY" });
  expect(await settlement.settle(paymentId)).toBe("refund_due");
});

test("gives late money its unit back while one is free, and marks it for refund when none is", async () => {
  for (const isUnitLeft of [true, false]) {
    const { orders, provider, settlement, rid, paymentId } = await setUp({ units: 1 });
    await orders.cancelHold({ rid, buyerId: buyerIdOf("buyer") });
    await orders.finishEnding([rid]);
    if (!isUnitLeft) orders.hold("rid-2");
    provider.pay(paymentId);
    expect(await settlement.settle(paymentId)).toBe(isUnitLeft ? "paid" : "refund_due");
  }
});

test("does not settle money that was sent back already", async () => {
  const { orders, provider, settlement, rid, paymentId } = await setUp();
  provider.pay(paymentId);
  await provider.refund({ paymentId, amount: PRICE, idempotencyKey: "by hand" });
  expect(await settlement.settle(paymentId)).toBe("sent_back");
  expect(orders.order(rid).status).toBe("held");
});

test("tells an operator about money that no order knows", async () => {
  const { provider, settlement, log } = await setUp();
  const stray = await provider.createCheckout({
    idempotencyKey: "another shop's",
    rid: "other",
    description: "",
    amount: PRICE,
    expiresAt: 0,
    returnUrl: "https://shop.example/",
  });
  provider.pay(stray.paymentId);
  expect(await settlement.settle(stray.paymentId)).toBe("unknown");
  expect(log.count("error")).toBe(1);
  expect(provider.refunds.size).toBe(0);
});

test("knows one provider by name", async () => {
  const { settlement } = await setUp();
  expect(await settlement.notified("stripe", "n1 pay_1", SIGNED)).toEqual({ kind: "no_such_provider" });
});
