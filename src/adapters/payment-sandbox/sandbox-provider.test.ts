import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import fc from "fast-check";
import { openEmbeddedDatabase } from "../../../test/support/embedded-database.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { isFault } from "../../domain/faults.ts";
import type { Database } from "../../ports/database.ts";
import { createSystemRandom } from "../local/system-random.ts";
import { prepareSandbox } from "./prepare.ts";
import { type CancelRule, NOTIFY_AT_ONCE } from "./sandbox-payment.ts";
import { createSandboxProvider } from "./sandbox-provider.ts";
import { type LateMoney, SandboxStore } from "./sandbox-store.ts";
import { createNotificationSigner } from "./signature.ts";

const AMOUNT = { amount: 4_900, currency: "EUR" };
const OPEN_MS = 540_000;
const STARTING_MS_MAX = 60_000;
const failed = (error: unknown): unknown => error;

let database: Database;
let clock: ManualClock;
let payments: SandboxStore;
let provider: ReturnType<typeof createSandboxProvider>;
let made = 0;

beforeAll(async () => {
  database = await openEmbeddedDatabase();
  await Promise.all([prepareSandbox(database), prepareSandbox(database)]);
}, STARTING_MS_MAX);
afterAll(() => database.close());
beforeEach(async () => {
  await database.query({ text: "TRUNCATE sandbox.payment, sandbox.refund, sandbox.notification" });
  clock = new ManualClock();
  payments = new SandboxStore(database, () => undefined);
  const signer = createNotificationSigner("a secret");
  provider = createSandboxProvider({ payments, signer, clock, random: createSystemRandom() });
});

function request(overrides: { returnUrl?: string; amount?: number; key?: string } = {}) {
  made += 1;
  return {
    idempotencyKey: overrides.key ?? `pay:rid-${made}`,
    rid: `rid-${made}`,
    description: "1 × Seat",
    amount: { ...AMOUNT, amount: overrides.amount ?? AMOUNT.amount },
    expiresAt: clock.nowMs() + OPEN_MS,
    returnUrl: overrides.returnUrl ?? "https://shop.example/sales/s",
  };
}

async function open(): Promise<string> {
  return (await provider.createCheckout(request())).paymentId;
}

const pay = (paymentId: string, capturedAmount: number | null = null) =>
  payments.pay({ paymentIds: [paymentId], notify: null, capturedAmount }, clock.nowMs());
const payLate = (paymentId: string, late: Partial<LateMoney> = {}) =>
  payments.payLate(
    {
      paymentIds: [paymentId],
      notify: null,
      late: { countedFrom: "now", delayMs: 5_000, cancelRule: "stops", ...late },
    },
    clock.nowMs(),
  );
const statusOf = async (paymentId: string) => (await provider.retrieve(paymentId))?.status;

test("makes one payment for a key, also when it is asked twice at once", async () => {
  const asked = request();
  const checkouts = await Promise.all([1, 2, 3, 4].map(() => provider.createCheckout(asked)));
  expect(new Set(checkouts.map((checkout) => checkout.paymentId)).size).toBe(1);
  expect(checkouts[0]?.checkoutUrl).toBe(`https://shop.example/sandbox-payments/checkout/${checkouts[0]?.paymentId}`);
  expect(checkouts[0]?.paymentId).toMatch(/^pay_[A-Za-z0-9_-]{22}$/);
});

test("refuses a key for another request, and an address that is not the web's", async () => {
  const asked = request();
  await provider.createCheckout(asked);
  const other = { ...asked, amount: { ...AMOUNT, amount: 1 } };
  expect(await provider.createCheckout(other).catch(failed)).toBeInstanceOf(Error);
  const script = request({ returnUrl: "javascript:alert(1)" });
  expect(await provider.createCheckout(script).catch(failed)).toBeInstanceOf(Error);
  expect(await database.query({ text: "SELECT 1 FROM sandbox.payment" })).toHaveLength(1);
});

test("never takes money after it answered cancelled", async () => {
  const paymentId = await open();
  expect(await provider.cancel(paymentId)).toBe("cancelled");
  expect(await pay(paymentId)).toEqual([]);
  expect(await payLate(paymentId)).toEqual([]);
  expect([await provider.cancel(paymentId), await statusOf(paymentId)]).toEqual(["cancelled", "cancelled"]);
});

test("never cancels what succeeded", async () => {
  const paymentId = await open();
  await pay(paymentId);
  expect([await provider.cancel(paymentId), await statusOf(paymentId)]).toEqual(["succeeded", "succeeded"]);
});

test("lets a declined payment be tried again", async () => {
  const paymentId = await open();
  await payments.decline({ paymentIds: [paymentId], notify: null }, clock.nowMs());
  expect(await statusOf(paymentId)).toBe("failed");
  await pay(paymentId);
  expect(await statusOf(paymentId)).toBe("succeeded");
});

test("takes no money once the checkout has expired, and says so before anybody swept", async () => {
  const paymentId = await open();
  clock.jump(OPEN_MS);
  expect(await statusOf(paymentId)).toBe("cancelled");
  expect(await pay(paymentId)).toEqual([]);
  expect(await provider.cancel(paymentId)).toBe("cancelled");
  expect((await payments.expireDue(clock.nowMs(), 10)).length).toBe(0);
});

test("stops late money when it is cancelled first", async () => {
  const paymentId = await open();
  await payLate(paymentId);
  expect(await statusOf(paymentId)).toBe("processing");
  expect(await provider.cancel(paymentId)).toBe("cancelled");
  clock.jump(OPEN_MS);
  expect(await payments.captureDue(clock.nowMs(), 10)).toEqual([]);
  expect(await statusOf(paymentId)).toBe("cancelled");
});

test("answers processing to a cancellation until money that cannot be stopped has arrived", async () => {
  const paymentId = await open();
  await payLate(paymentId, { cancelRule: "answers_processing" });
  expect([await provider.cancel(paymentId), await statusOf(paymentId)]).toEqual(["processing", "processing"]);
  clock.jump(5_000);
  await payments.captureDue(clock.nowMs(), 10);
  expect(await provider.cancel(paymentId)).toBe("succeeded");
});

test("misbehaves on demand: money arrives although it was cancelled", async () => {
  const paymentId = await open();
  await payLate(paymentId, { cancelRule: "captured_anyway" });
  expect([await provider.cancel(paymentId), await statusOf(paymentId)]).toEqual(["cancelled", "cancelled"]);
  clock.jump(5_000);
  expect((await payments.captureDue(clock.nowMs(), 10)).length).toBe(1);
  expect(await statusOf(paymentId)).toBe("succeeded");
});

test("counts late money from the end of the checkout when asked to", async () => {
  const paymentId = await open();
  await payLate(paymentId, { countedFrom: "expiry", delayMs: 1_000, cancelRule: "answers_processing" });
  clock.jump(OPEN_MS + 999);
  expect(await payments.captureDue(clock.nowMs(), 10)).toEqual([]);
  clock.jump(1);
  expect((await payments.captureDue(clock.nowMs(), 10)).length).toBe(1);
});

test("refunds what was captured once, under one key", async () => {
  const paymentId = await open();
  await pay(paymentId, 4_800);
  const captured = { ...AMOUNT, amount: 4_800 };
  expect((await provider.retrieve(paymentId))?.amount).toEqual(captured);
  const refund = { paymentId, amount: captured, idempotencyKey: "refund:rid" };
  expect(await provider.refund({ ...refund, amount: AMOUNT }).catch(failed)).toBeInstanceOf(Error);
  await provider.refund(refund);
  await provider.refund(refund);
  expect(await provider.refund({ ...refund, idempotencyKey: "another" }).catch(failed)).toBeInstanceOf(Error);
  expect(await database.query<{ amount: number }>({ text: "SELECT amount FROM sandbox.refund" })).toEqual([
    { amount: 4_800 },
  ]);
  expect([await statusOf(paymentId), await provider.cancel(paymentId)]).toEqual(["refunded", "succeeded"]);
});

test("does not call a payment that it never saw cancelled", async () => {
  expect(isFault(await provider.cancel("pay_unknown").catch(failed), "PROVIDER_UNAVAILABLE")).toBe(true);
  expect(await provider.retrieve("pay_unknown")).toBeNull();
});

test("refuses every call during an outage and none after it", async () => {
  const paymentId = await open();
  provider.failFor(1_000);
  for (const call of [() => provider.retrieve(paymentId), () => provider.cancel(paymentId)]) {
    expect(isFault(await call().catch(failed), "PROVIDER_UNAVAILABLE")).toBe(true);
  }
  clock.jump(1_000);
  expect(await statusOf(paymentId)).toBe("open");
});

test("writes each notification in the move that it tells of: as many as moves", async () => {
  const paymentId = await open();
  await payments.decline({ paymentIds: [paymentId], notify: { ...NOTIFY_AT_ONCE, copies: 3 } }, clock.nowMs());
  await pay(paymentId);
  await pay(paymentId);
  await provider.refund({ paymentId, amount: AMOUNT, idempotencyKey: "refund:rid" });
  const rows = await database.query<{ kind: string; copies: number }>({
    text: "SELECT kind, copies_left AS copies FROM sandbox.notification ORDER BY kind",
  });
  expect(rows.map((row) => [row.kind, row.copies])).toEqual([
    ["payment.failed", 3],
    ["payment.refunded", 3],
    ["payment.succeeded", 3],
  ]);
});

test("keeps its word through any history: cancelled stays cancelled, succeeded stays succeeded", async () => {
  const rules: CancelRule[] = ["stops", "answers_processing"];
  const step = fc.oneof(
    fc.constantFrom("pay", "decline", "cancel", "capture", "expire"),
    fc.record({ late: fc.constantFrom(...rules) }),
    fc.record({ ms: fc.constantFrom(1, 5_000, OPEN_MS) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12, size: "max" }), async (steps) => {
      const paymentId = await open();
      let final: string | null = null;
      for (const next of steps) {
        if (typeof next === "object" && "late" in next) await payLate(paymentId, { cancelRule: next.late });
        else if (typeof next === "object") clock.jump(next.ms);
        else if (next === "pay") await pay(paymentId);
        else if (next === "decline") await payments.decline({ paymentIds: [paymentId], notify: null }, clock.nowMs());
        else if (next === "capture") await payments.captureDue(clock.nowMs(), 500);
        else if (next === "expire") await payments.expireDue(clock.nowMs(), 500);
        else {
          const answer = await provider.cancel(paymentId);
          if (final !== null) expect(answer).toBe(final as typeof answer);
          if (answer !== "processing") final = answer;
        }
        const status = await statusOf(paymentId);
        if (final !== null) expect(status).toBe(final as NonNullable<typeof status>);
        if (status === "succeeded" || status === "cancelled") final = status;
      }
    }),
    { numRuns: Number(process.env["RUNS"] ?? 60) },
  );
}, 60_000);
