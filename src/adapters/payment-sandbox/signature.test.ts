import { expect, test } from "bun:test";
import { isFault } from "../../domain/faults.ts";
import { createNotificationSigner } from "./signature.ts";

const signer = createNotificationSigner("a secret");
const BODY = JSON.stringify({ type: "payment.succeeded", data: { paymentId: "pay_1" } });

function signed(overrides: { body?: string; ageMs?: number } = {}) {
  const body = overrides.body ?? BODY;
  const nowMs = Date.now() - (overrides.ageMs ?? 0);
  return { body, headers: signer.sign({ notificationId: "msg_1", body, nowMs }) };
}

function isForged(request: { body: string; headers: Readonly<Record<string, string>> }): boolean {
  try {
    signer.verify(request);
    return false;
  } catch (error) {
    return isFault(error, "NOTIFICATION_FORGED");
  }
}

test("accepts its own signature, whatever the case of the headers", () => {
  const { body, headers } = signed();
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  expect(signer.verify({ body, headers })).toEqual({ notificationId: "msg_1", paymentId: "pay_1" });
  expect(signer.verify({ body, headers: upper })).toEqual({ notificationId: "msg_1", paymentId: "pay_1" });
});

test("refuses a body, an id or a time that was changed by one character", () => {
  const { body, headers } = signed();
  expect(isForged({ body: `${body} `, headers })).toBe(true);
  expect(isForged({ body: body.replace("pay_1", "pay_2"), headers })).toBe(true);
  expect(isForged({ body, headers: { ...headers, "webhook-id": "msg_2" } })).toBe(true);
  const later = String(Number(headers["webhook-timestamp"]) + 1);
  expect(isForged({ body, headers: { ...headers, "webhook-timestamp": later } })).toBe(true);
});

test("refuses missing, empty, foreign and odd signatures", () => {
  const { body, headers } = signed();
  for (const signature of ["", "v1", "v1,", "v1a,AAAA", "v2,AAAA", "v1,AAAA v1,BBBB", ",,, ,"]) {
    expect(isForged({ body, headers: { ...headers, "webhook-signature": signature } })).toBe(true);
  }
  expect(isForged({ body, headers: {} })).toBe(true);
  const stranger = createNotificationSigner("another secret");
  const foreign = stranger.sign({ notificationId: "msg_1", body, nowMs: Date.now() });
  expect(isForged({ body, headers: foreign })).toBe(true);
});

test("refuses what was signed more than five minutes ago, or in the future", () => {
  expect(isForged(signed({ ageMs: 290_000 }))).toBe(false);
  expect(isForged(signed({ ageMs: 310_000 }))).toBe(true);
  expect(isForged(signed({ ageMs: -310_000 }))).toBe(true);
});

test("refuses a signed body that names no payment", () => {
  for (const body of ["", "null", "[]", "{", '{"data":{"paymentId":1}}', '{"data":{"paymentId":"a b"}}']) {
    expect(isForged(signed({ body }))).toBe(true);
  }
});
