import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { buyerIdOf, MemoryOrders, PRICE } from "../../test/support/memory-orders.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { ScriptedProvider } from "../../test/support/scripted-provider.ts";
import { Fault } from "../domain/faults.ts";
import type { Rid } from "../domain/ids.ts";
import { createSettlement } from "./settlement.ts";
import { createSweeper, UNDECIDED_ALERT_AFTER_MS } from "./sweeper.ts";

const HOLD_MS = 600_000;

function setUp(units = 10, beforeUnitsReturn: () => Promise<void> = async () => undefined) {
  const clock = new ManualClock();
  const orders = new MemoryOrders(clock, units);
  const provider = new ScriptedProvider();
  const log = new RecordingLog();
  const settlement = createSettlement({ orders, provider, log });
  const sweeper = createSweeper({ orders, provider, settlement, clock, random: evenRandom(), log, beforeUnitsReturn });

  async function holdWithPayment(name: string): Promise<{ rid: Rid; paymentId: string }> {
    const rid = orders.hold(name, { holdMs: HOLD_MS });
    const { paymentId } = await provider.createCheckout({
      idempotencyKey: `pay:${rid}`,
      rid,
      description: "1 × Seat",
      amount: PRICE,
      expiresAt: clock.nowMs() + HOLD_MS - 60_000,
      returnUrl: "https://shop.example/",
    });
    await orders.attachPayment({ rid, paymentId });
    return { rid, paymentId };
  }

  return { clock, orders, provider, log, sweeper, settlement, holdWithPayment };
}

const unavailable = (): never => {
  throw new Fault("PROVIDER_UNAVAILABLE");
};

test("leaves a hold alone until its time has passed", async () => {
  const { clock, orders, sweeper } = setUp();
  const rid = orders.hold("rid-1", { holdMs: HOLD_MS });
  clock.jump(HOLD_MS - 1);
  expect(await sweeper.runOnce()).toEqual({ ended: 0, settled: 0, undecided: 0, refunded: 0 });
  expect(orders.order(rid).status).toBe("held");
});

test("releases a hold without a payment at once, asking no provider", async () => {
  const { clock, orders, provider, sweeper } = setUp();
  const rid = orders.hold("rid-1", { holdMs: HOLD_MS });
  clock.jump(HOLD_MS + 1);
  expect(await sweeper.runOnce()).toMatchObject({ ended: 1 });
  expect([orders.order(rid).status, orders.free, provider.calls.length]).toEqual(["expired", 10, 0]);
});

test("has cool-downs made before units are on sale again, and gives units back even where that fails", async () => {
  const seen: string[] = [];
  const { clock, orders, sweeper } = setUp(10, async () => {
    seen.push(`${orders.order("rid-1" as Rid).status}, ${orders.free} free`);
    throw new Fault("DATABASE_UNAVAILABLE");
  });
  const rid = orders.hold("rid-1", { holdMs: HOLD_MS });
  await sweeper.runOnce();
  expect(seen).toEqual([]);
  clock.jump(HOLD_MS + 1);
  await sweeper.runOnce();
  expect(seen).toEqual(["expiring, 9 free"]);
  expect([orders.order(rid).status, orders.free]).toEqual(["expired", 10]);
});

test("releases a unit only after the provider cancelled its payment", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  provider.before = (operation) => {
    if (operation === "cancel") expect([orders.order(rid).status, orders.free]).toEqual(["expiring", 9]);
  };
  clock.jump(HOLD_MS + 1);
  await sweeper.runOnce();
  expect([provider.payments.get(paymentId)?.status, orders.order(rid).status]).toEqual(["cancelled", "expired"]);
  expect(orders.free).toBe(10);
});

test("pays the order when the provider says that its money had already come", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  provider.pay(paymentId);
  clock.jump(HOLD_MS + 1);
  expect(await sweeper.runOnce()).toMatchObject({ settled: 1, ended: 0 });
  expect([orders.order(rid).status, orders.sold]).toEqual(["paid", 1]);
});

test("releases nothing while the provider does not answer, whether the cancellation happened or not", async () => {
  for (const place of ["before", "after"] as const) {
    const { clock, orders, provider, sweeper, holdWithPayment } = setUp();
    const { rid } = await holdWithPayment("rid-1");
    clock.jump(HOLD_MS + 1);
    provider[place] = unavailable;
    expect(await sweeper.runOnce()).toMatchObject({ ended: 0, undecided: 1 });
    expect([orders.order(rid).status, orders.free]).toEqual(["expiring", 9]);
    provider[place] = () => undefined;
    clock.jump(60_000);
    expect(await sweeper.runOnce()).toMatchObject({ ended: 1 });
    expect(orders.free).toBe(10);
  }
});

test("releases nothing while money is on its way, and pays when it arrives", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  const payment = provider.payments.get(paymentId);
  if (payment !== undefined) payment.status = "processing";
  clock.jump(HOLD_MS + 1);
  await sweeper.runOnce();
  expect(orders.order(rid).status).toBe("expiring");
  provider.pay(paymentId);
  clock.jump(60_000);
  await sweeper.runOnce();
  expect(orders.order(rid).status).toBe("paid");
});

test("treats money that was refunded at the provider itself as cancelled", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  provider.pay(paymentId);
  await provider.refund({ paymentId, amount: PRICE, idempotencyKey: "by hand" });
  clock.jump(HOLD_MS + 1);
  await sweeper.runOnce();
  expect([orders.order(rid).status, orders.free]).toEqual(["expired", 10]);
});

test("releases nothing when the provider contradicts itself about whether money came", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  const payment = provider.payments.get(paymentId);
  provider.pay(paymentId);
  provider.before = (operation) => {
    if (operation === "retrieve" && payment !== undefined) payment.status = "processing";
  };
  clock.jump(HOLD_MS + 1);
  expect(await sweeper.runOnce()).toMatchObject({ ended: 0, settled: 0, undecided: 1 });
  expect([orders.order(rid).status, orders.free]).toEqual(["expiring", 9]);
});

test("finishes what the buyer gave back as cancelled, without waiting for the hold's end", async () => {
  const { orders, provider, sweeper, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  await orders.cancelHold({ rid, buyerId: buyerIdOf("buyer") });
  await sweeper.runOnce();
  expect([orders.order(rid).status, provider.payments.get(paymentId)?.status]).toEqual(["cancelled", "cancelled"]);
});

test("gives back 3,000 holds in one pass: reclaim is not slower than sales", async () => {
  const { clock, orders, sweeper } = setUp(3_000);
  for (let index = 0; index < 3_000; index += 1) orders.hold(`rid-${index}`, { holdMs: HOLD_MS });
  clock.jump(HOLD_MS + 1);
  expect(await sweeper.runOnce()).toMatchObject({ ended: 3_000 });
  expect(orders.free).toBe(3_000);
});

test("asks the provider about at most sixteen payments at a time", async () => {
  const { clock, provider, sweeper, holdWithPayment } = setUp(100);
  for (let index = 0; index < 100; index += 1) await holdWithPayment(`rid-${index}`);
  provider.before = () => new Promise((resolve) => setImmediate(resolve));
  clock.jump(HOLD_MS + 1);
  expect(await sweeper.runOnce()).toMatchObject({ ended: 100 });
  expect(provider.inFlightPeak).toBe(16);
});

test("does not let a slow provider hold up the holds that have no payment", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp(200);
  for (let index = 0; index < 100; index += 1) await holdWithPayment(`slow-${index}`);
  for (let index = 0; index < 100; index += 1) orders.hold(`rid-${index}`, { holdMs: HOLD_MS });
  provider.before = () => {
    clock.jump(5_000);
    return unavailable();
  };
  clock.jump(HOLD_MS + 1);
  await sweeper.runOnce();
  expect(orders.free).toBe(100);
  expect(provider.count("cancel")).toBeLessThan(100);
});

test("asks about stuck payments ever more seldom, and at once again after a decision", async () => {
  const { clock, provider, sweeper, holdWithPayment } = setUp();
  await holdWithPayment("rid-1");
  clock.jump(HOLD_MS + 1);
  provider.before = unavailable;
  for (let second = 0; second < 300; second += 1) {
    await sweeper.runOnce();
    clock.jump(1_000);
  }
  expect(provider.count("cancel")).toBeGreaterThan(5);
  expect(provider.count("cancel")).toBeLessThan(15);
});

test("gives units back soon after a short outage, however many holds ended in it", async () => {
  const { clock, orders, provider, sweeper, holdWithPayment } = setUp(40);
  for (let index = 0; index < 40; index += 1) {
    await holdWithPayment(`rid-${index}`);
    clock.jump(50);
  }
  clock.jump(HOLD_MS - 2_000 + 1);
  provider.before = unavailable;
  for (let elapsedMs = 0; elapsedMs < 2_000; elapsedMs += 100) {
    await sweeper.runOnce();
    clock.jump(100);
  }
  provider.before = () => undefined;
  for (let elapsedMs = 0; elapsedMs < 5_000; elapsedMs += 500) {
    await sweeper.runOnce();
    clock.jump(500);
  }
  expect(orders.free).toBe(40);
});

test("tells an operator after half an hour without a decision, once a minute and not before", async () => {
  const { clock, provider, sweeper, log, holdWithPayment } = setUp();
  await holdWithPayment("rid-1");
  clock.jump(HOLD_MS + 1);
  provider.before = unavailable;
  for (let elapsedMs = 0; elapsedMs < UNDECIDED_ALERT_AFTER_MS - 60_000; elapsedMs += 10_000) {
    await sweeper.runOnce();
    clock.jump(10_000);
  }
  expect(log.count("error")).toBe(0);
  for (let elapsedMs = 0; elapsedMs < 300_000; elapsedMs += 10_000) {
    await sweeper.runOnce();
    clock.jump(10_000);
  }
  expect(log.count("error")).toBeGreaterThanOrEqual(2);
  expect(log.count("error")).toBeLessThanOrEqual(5);
});

test("sends back what was captured, once, under the order's own key", async () => {
  const { orders, provider, sweeper, settlement, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  provider.pay(paymentId, { amount: 1, currency: "EUR" });
  await settlement.settle(paymentId);
  expect(await sweeper.runOnce()).toMatchObject({ refunded: 1 });
  await sweeper.runOnce();
  expect([...provider.refunds]).toEqual([[`refund:${rid}`, { amount: 1, currency: "EUR" }]]);
  expect(orders.order(rid).status).toBe("refunded");
});

test("repeats a refund whose answer was lost without sending the money twice", async () => {
  const { clock, orders, provider, sweeper, settlement, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  provider.pay(paymentId, { amount: 1, currency: "EUR" });
  await settlement.settle(paymentId);
  provider.after = (operation) => {
    if (operation === "refund") unavailable();
  };
  await sweeper.runOnce();
  expect(orders.order(rid).status).toBe("refund_due");
  provider.after = () => undefined;
  clock.jump(30_000);
  await sweeper.runOnce();
  expect([orders.order(rid).status, provider.refunds.size]).toEqual(["refunded", 1]);
});

test("sends nothing back a second time when somebody did it by hand", async () => {
  const { orders, provider, sweeper, settlement, holdWithPayment } = setUp();
  const { rid, paymentId } = await holdWithPayment("rid-1");
  const captured = { amount: 1, currency: "EUR" };
  provider.pay(paymentId, captured);
  await settlement.settle(paymentId);
  await provider.refund({ paymentId, amount: captured, idempotencyKey: "by hand" });
  await sweeper.runOnce();
  expect([orders.order(rid).status, provider.count("refund")]).toEqual(["refunded", 1]);
});

test("sweeps by itself once started, and stands still once stopped", async () => {
  const { clock, orders, sweeper } = setUp();
  const rid = orders.hold("rid-1", { holdMs: 2_000 });
  sweeper.start();
  await clock.advance(3_000);
  expect(orders.order(rid).status).toBe("expired");
  await sweeper.stop();
  const later = orders.hold("rid-2", { holdMs: 2_000 });
  await clock.advance(10_000);
  expect([orders.order(later).status, clock.timerCount]).toEqual(["held", 0]);
});
