import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { openEmbeddedDatabase } from "../../../test/support/embedded-database.ts";
import { RecordingLog } from "../../../test/support/recording-log.ts";
import { waitUntil } from "../../../test/support/waiting.ts";
import { WebhookReceiver } from "../../../test/support/webhook-receiver.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Database } from "../../ports/database.ts";
import { createSystemClock } from "../local/system-clock.ts";
import { createSystemRandom } from "../local/system-random.ts";
import { prepareSandbox } from "./prepare.ts";
import { createPaymentSandbox, type PaymentSandbox } from "./sandbox.ts";

const STARTING_MS_MAX = 60_000;
const CONTROL_TOKEN = "the-control-token";
const system = createSystemClock();

/** The machine's clock, moved on by tests that would otherwise have to wait. */
let aheadMs = 0;
const clock: Clock = { ...system, nowMs: () => system.nowMs() + aheadMs };

let database: Database;
let receiver: WebhookReceiver;
let sandbox: PaymentSandbox;
let made = 0;

beforeAll(async () => {
  database = await openEmbeddedDatabase();
  await prepareSandbox(database);
}, STARTING_MS_MAX);
afterAll(() => database.close());

beforeEach(async () => {
  await database.query({ text: "TRUNCATE sandbox.payment, sandbox.refund, sandbox.notification" });
  aheadMs = 0;
  receiver = await WebhookReceiver.start();
  sandbox = build();
});
afterEach(async () => {
  await sandbox.stop();
  await receiver.stop();
});

function build(): PaymentSandbox {
  const log = new RecordingLog();
  const random = createSystemRandom();
  return createPaymentSandbox({ database, clock, random, log, secret: "a secret", controlToken: CONTROL_TOKEN });
}

async function open(openMs = 60_000): Promise<string> {
  made += 1;
  const checkout = await sandbox.provider.createCheckout({
    idempotencyKey: `pay:rid-${made}`,
    rid: `rid-${made}`,
    description: "1 × Seat",
    amount: { amount: 4_900, currency: "EUR" },
    expiresAt: clock.nowMs() + openMs,
    returnUrl: "https://shop.example/",
  });
  return checkout.paymentId;
}

async function control(body: object): Promise<string[]> {
  const answer = await sandbox.app.request("/control", {
    method: "POST",
    headers: { authorization: `Bearer ${CONTROL_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { moved: string[] }).moved;
}

const arrived = (count: number) =>
  waitUntil(`${count} deliveries`, () => receiver.deliveries.length >= count && receiver.deliveries.length);

test("delivers a signed notification that its own check accepts and that names the payment", async () => {
  sandbox.start(receiver.url);
  const paymentId = await open();
  expect(await control({ action: "pay", paymentIds: [paymentId] })).toEqual([paymentId]);
  await arrived(1);
  const [delivery] = receiver.deliveries;
  const notification = sandbox.provider.verifyNotification(delivery as NonNullable<typeof delivery>);
  expect([notification.paymentId, receiver.kinds]).toEqual([paymentId, ["payment.succeeded"]]);
});

test("delivers again until the receiver takes it", async () => {
  receiver.status = 503;
  sandbox.start(receiver.url);
  await control({ action: "pay", paymentIds: [await open()] });
  await arrived(2);
  receiver.status = 204;
  const refused = receiver.deliveries.length;
  await waitUntil("a delivery after the outage", () => receiver.deliveries.length > refused);
  expect(new Set(receiver.ids).size).toBe(1);
  await waitUntil("nothing left to deliver", async () => (await undelivered()) === 0);
});

test("keeps what it could not deliver for the next process: a crash loses no notification", async () => {
  await control({ action: "pay", paymentIds: [await open()] });
  // The process dies with a delivery in hand: the claim was written, the tick-off never was.
  await database.query({ text: "UPDATE sandbox.notification SET due_at = due_at + 20000, attempts = 1" });
  aheadMs = 20_001;
  sandbox = build();
  sandbox.start(receiver.url);
  await arrived(1);
});

test("delivers twice when asked to, under one id", async () => {
  sandbox.start(receiver.url);
  const notify = { copies: 2 };
  await control({ action: "pay", paymentIds: [await open()], notify });
  await arrived(2);
  expect(new Set(receiver.ids).size).toBe(1);
  await waitUntil("nothing left to deliver", async () => (await undelivered()) === 0);
});

test("delivers late when asked to, not before", async () => {
  sandbox.start(receiver.url);
  await control({ action: "pay", paymentIds: [await open()], notify: { delayMs: 30_000 } });
  await control({ action: "pay", paymentIds: [await open()] });
  await arrived(1);
  aheadMs = 30_000;
  await arrived(2);
  const ages = receiver.deliveries.map(({ headers, body }) => {
    return Number(headers["webhook-timestamp"]) - Date.parse(JSON.parse(body).timestamp) / 1_000;
  });
  expect(ages[0]).toBeLessThan(25);
  expect(ages[1]).toBeGreaterThan(25);
});

test("delivers out of order when asked to: success first, processing afterwards", async () => {
  sandbox.start(receiver.url);
  await control({ action: "pay", paymentIds: [await open()], notify: { reversed: true } });
  await arrived(2);
  expect(receiver.kinds).toEqual(["payment.succeeded", "payment.processing"]);
});

test("lets late money arrive by itself, and expires what nobody paid", async () => {
  sandbox.start(receiver.url);
  const late = await open();
  const unpaid = await open(1_000);
  await control({ action: "pay_late", paymentIds: [late], countedFrom: "now", delayMs: 2_000 });
  aheadMs = 3_000;
  await waitUntil("both to end", async () => {
    const [paid, gone] = await Promise.all([sandbox.provider.retrieve(late), sandbox.provider.retrieve(unpaid)]);
    return paid?.status === "succeeded" && gone?.status === "cancelled";
  });
  await arrived(3);
  expect(receiver.kinds.sort()).toEqual(["payment.cancelled", "payment.processing", "payment.succeeded"]);
});

test("pays a crowd's payments in one call and delivers every notification", async () => {
  sandbox.start(receiver.url);
  const paymentIds = await Promise.all(Array.from({ length: 120 }, () => open()));
  expect((await control({ action: "pay", paymentIds })).length).toBe(120);
  await arrived(120);
  await waitUntil("nothing left to deliver", async () => (await undelivered()) === 0);
  expect(new Set(receiver.ids).size).toBe(120);
});

async function undelivered(): Promise<number> {
  const rows = await database.query({ text: "SELECT 1 FROM sandbox.notification WHERE copies_left > 0" });
  return rows.length;
}
