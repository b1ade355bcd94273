import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { openEmbeddedDatabase } from "../../../test/support/embedded-database.ts";
import { RecordingLog } from "../../../test/support/recording-log.ts";
import { Fault } from "../../domain/faults.ts";
import type { Database } from "../../ports/database.ts";
import { createSystemClock } from "../local/system-clock.ts";
import { createSystemRandom } from "../local/system-random.ts";
import { prepareSandbox } from "./prepare.ts";
import { createPaymentSandbox, type PaymentSandbox } from "./sandbox.ts";
import { createSandboxApp } from "./sandbox-app.ts";
import type { SandboxStore } from "./sandbox-store.ts";

const STARTING_MS_MAX = 60_000;
const CONTROL_TOKEN = "the-control-token";
const RETURN_URL = "https://shop.example/sales/s?rid=r&x=1";

let database: Database;
let sandbox: PaymentSandbox;
const clock = createSystemClock();
let made = 0;

beforeAll(async () => {
  database = await openEmbeddedDatabase();
  await prepareSandbox(database);
  const options = { database, clock, random: createSystemRandom(), log: new RecordingLog() };
  sandbox = createPaymentSandbox({ ...options, secret: "a secret", controlToken: CONTROL_TOKEN });
}, STARTING_MS_MAX);
afterAll(() => database.close());

async function open(overrides: { description?: string; returnUrl?: string; currency?: string } = {}): Promise<string> {
  made += 1;
  const { paymentId } = await sandbox.provider.createCheckout({
    idempotencyKey: `pay:rid-${made}`,
    rid: `rid-${made}`,
    description: overrides.description ?? "1 × Seat",
    amount: { amount: 4_900, currency: overrides.currency ?? "EUR" },
    expiresAt: clock.nowMs() + 600_000,
    returnUrl: overrides.returnUrl ?? RETURN_URL,
  });
  return paymentId;
}

const page = (paymentId: string) => sandbox.app.request(`/checkout/${paymentId}`);
const press = (paymentId: string, fields: Record<string, string>) =>
  sandbox.app.request(`/checkout/${paymentId}`, { method: "POST", body: new URLSearchParams(fields) });
const statusOf = async (paymentId: string) => (await sandbox.provider.retrieve(paymentId))?.status;

function control(body: unknown, token = CONTROL_TOKEN): Promise<Response> {
  return Promise.resolve(
    sandbox.app.request("/control", {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  );
}

test("shows amount, description and buttons, and loads nothing from anywhere", async () => {
  const answer = await page(await open());
  const text = await answer.text();
  expect(answer.status).toBe(200);
  for (const shown of ["€49.00", "1 × Seat", 'value="pay"', 'value="decline"', 'value="pay_late"', 'lang="en"']) {
    expect(text).toContain(shown);
  }
  expect(text).not.toMatch(/<script|<img|<link|src=|@import|url\(|style="/i);
});

test("allows exactly the style that the page carries, and nothing else", async () => {
  const answer = await page(await open());
  const style = /<style>([\s\S]*?)<\/style>/.exec(await answer.text())?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  expect(answer.headers.get("content-security-policy")).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self' https://shop.example; base-uri 'none'; frame-ancestors 'none'`,
  );
  expect(answer.headers.get("cache-control")).toBe("no-store");
});

test("escapes whatever a seller or a shop wrote", async () => {
  const hostile = `<img src=x onerror=alert(1)> "'&`;
  const text = await (await page(await open({ description: hostile, returnUrl: `/x?a="><script>` }))).text();
  expect(text).toContain("&lt;img src=x onerror=alert(1)&gt;");
  expect(text).not.toContain("<img");
  expect(text).not.toContain("<script");
});

test("can show an amount in a currency that does not exist", async () => {
  expect(await (await page(await open({ currency: "€€" }))).text()).toContain("4900 €€");
});

test("takes the money and sends the buyer back to the shop", async () => {
  const paymentId = await open();
  const answer = await press(paymentId, { action: "pay" });
  expect([answer.status, answer.headers.get("location"), await statusOf(paymentId)]).toEqual([
    303,
    RETURN_URL,
    "succeeded",
  ]);
  expect(await (await page(paymentId)).text()).toContain("Paid. Thank you.");
});

test("keeps a declined buyer on the page, who may try again", async () => {
  const paymentId = await open();
  const answer = await press(paymentId, { action: "decline" });
  expect(answer.headers.get("location")).toBe(`/sandbox-payments/checkout/${paymentId}`);
  const text = await (await page(paymentId)).text();
  expect(text).toContain("The card was declined");
  expect(text).toContain('value="pay"');
});

test("offers no buttons for a payment that is over, and pressing one changes nothing", async () => {
  const paymentId = await open();
  await sandbox.provider.cancel(paymentId);
  expect(await (await page(paymentId)).text()).not.toContain("<button");
  const answer = await press(paymentId, { action: "pay" });
  expect([answer.headers.get("location"), await statusOf(paymentId)]).toEqual([
    `/sandbox-payments/checkout/${paymentId}`,
    "cancelled",
  ]);
});

test("pays late with the form's own figures", async () => {
  const paymentId = await open();
  await press(paymentId, { action: "pay_late", lateSeconds: "7", cancelRule: "captured_anyway" });
  const [row] = await database.query<{ late: number; rule: string }>(
    {
      text: "SELECT captures_at - expires_at AS late, cancel_rule AS rule FROM sandbox.payment WHERE payment_id = $1",
    },
    [paymentId],
  );
  expect(row).toEqual({ late: 7_000, rule: "captured_anyway" });
});

test("refuses forms that are not its own", async () => {
  const paymentId = await open();
  for (const fields of [{}, { action: "refund" }, { action: "pay_late", lateSeconds: "-1" }]) {
    expect((await press(paymentId, fields as Record<string, string>)).status).toBe(400);
  }
  expect((await press(paymentId, { action: "pay", filler: "x".repeat(5_000) })).status).toBe(413);
  expect(await statusOf(paymentId)).toBe("open");
});

test("knows no payment by a guessed address", async () => {
  expect([(await page("pay_guess")).status, (await press("pay_guess", { action: "pay" })).status]).toEqual([404, 404]);
});

test("obeys the control only with its token", async () => {
  const paymentId = await open();
  for (const token of ["", "wrong", `${CONTROL_TOKEN}x`]) {
    expect((await control({ action: "pay", paymentIds: [paymentId] }, token)).status).toBe(401);
  }
  expect(await statusOf(paymentId)).toBe("open");
  expect((await control({ action: "pay", paymentIds: [paymentId] })).status).toBe(200);
  expect(await statusOf(paymentId)).toBe("succeeded");
});

test("refuses control calls that it does not understand, and says what is wrong", async () => {
  const bad = ["{", {}, { action: "pay" }, { action: "pay", paymentIds: [] }, { action: "pay", paymentIds: ["a b"] }];
  for (const body of [...bad, { action: "pay", paymentIds: ["a"], typo: 1 }]) {
    const answer = await control(body);
    expect([answer.status, typeof ((await answer.json()) as { error: unknown }).error]).toEqual([400, "string"]);
  }
});

test("captures a wrong amount on demand", async () => {
  const paymentId = await open();
  await control({ action: "pay", paymentIds: [paymentId], capturedAmount: 4_899 });
  expect((await sandbox.provider.retrieve(paymentId))?.amount.amount).toBe(4_899);
});

test("has an outage on demand", async () => {
  const paymentId = await open();
  await control({ action: "outage", durationMs: 60_000 });
  expect(await sandbox.provider.retrieve(paymentId).catch((error: unknown) => error)).toBeInstanceOf(Error);
  await control({ action: "outage", durationMs: 0 });
  expect(await statusOf(paymentId)).toBe("open");
});

test("asks to try again while the database has no time, and hides nothing else", async () => {
  const pressAt = (error: Error): Promise<Response> => {
    const payments = { find: () => Promise.reject(error) } as unknown as SandboxStore;
    const app = createSandboxApp({ payments, provider: sandbox.provider, clock, controlToken: CONTROL_TOKEN });
    return Promise.resolve(app.request("/checkout/anything", { method: "POST" }));
  };
  const answer = await pressAt(new Fault("DATABASE_UNAVAILABLE"));
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(await answer.text()).toContain("try again");
  expect((await pressAt(new Error("a bug"))).status).toBe(500);
});
