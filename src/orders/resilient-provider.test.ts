import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { PRICE } from "../../test/support/memory-orders.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { ScriptedProvider } from "../../test/support/scripted-provider.ts";
import { waitUntil } from "../../test/support/waiting.ts";
import { Fault, isFault } from "../domain/faults.ts";
import { createResilientProvider, type ResilienceLimits } from "./resilient-provider.ts";

const QUICK: ResilienceLimits = {
  tryMsMax: 40,
  retriesMax: 2,
  retryDelayMs: 1,
  failuresInRowMax: 4,
  breakMs: 60,
  breakMsMax: 60,
  rampMs: 200,
  retryBudget: { perTry: 0, perS: 0, savedMax: 100 },
  inFlightMax: 2,
  queueLengthMax: 3,
};

function setUp(limits: Partial<ResilienceLimits> = {}) {
  const provider = new ScriptedProvider();
  const log = new RecordingLog();
  const clock = new ManualClock();
  const wanted = { ...QUICK, ...limits };
  const resilient = createResilientProvider({ provider, clock, random: evenRandom(), log, limits: wanted });
  return { provider, log, resilient, clock };
}

const failed = (error: unknown): unknown => error;
const unavailable = (): never => {
  throw new Fault("PROVIDER_UNAVAILABLE");
};

test("repeats a call whose answer was lost, under the same key", async () => {
  const { provider, resilient } = setUp();
  let lost = 2;
  provider.after = () => {
    if (lost-- > 0) unavailable();
  };
  const checkout = await resilient.createCheckout({
    idempotencyKey: "pay:rid",
    rid: "rid",
    description: "",
    amount: PRICE,
    expiresAt: 1,
    returnUrl: "https://shop.example/",
  });
  expect([checkout.paymentId, provider.payments.size, provider.calls.length]).toEqual(["pay_1", 1, 3]);
});

test("gives up after its tries and says that the outcome is unknown", async () => {
  const { provider, resilient } = setUp();
  provider.before = unavailable;
  expect(isFault(await resilient.cancel("pay_1").catch(failed), "PROVIDER_UNAVAILABLE")).toBe(true);
  expect(provider.calls.length).toBe(3);
});

test("waits for no answer longer than its deadline", async () => {
  const { provider, resilient } = setUp({ retriesMax: 0 });
  provider.before = () => new Promise(() => undefined);
  expect(isFault(await resilient.retrieve("pay_1").catch(failed), "PROVIDER_UNAVAILABLE")).toBe(true);
});

test("leaves a provider alone that does not answer, and comes back to it", async () => {
  const { provider, resilient, log, clock } = setUp({ retriesMax: 0 });
  provider.before = unavailable;
  for (let call = 0; call < 10; call += 1) await resilient.retrieve("pay_1").catch(failed);
  expect(provider.calls.length).toBe(4);
  expect(isFault(await resilient.retrieve("pay_1").catch(failed), "PROVIDER_UNAVAILABLE")).toBe(true);
  expect(log.count("error")).toBe(1);
  provider.before = () => undefined;
  await clock.advance(QUICK.breakMs);
  expect(await resilient.retrieve("pay_1")).toBeNull();
  expect(log.count("info")).toBe(1);
});

test("asks a provider that is back for a few at first, and for all after the ramp", async () => {
  const { provider, resilient, clock } = setUp({ retriesMax: 0, inFlightMax: 50, tryMsMax: 5_000 });
  provider.before = unavailable;
  for (let call = 0; call < 4; call += 1) await resilient.retrieve("pay_1").catch(failed);
  provider.before = () => undefined;
  await clock.advance(QUICK.breakMs);
  await resilient.retrieve("pay_1");
  const press = async () => {
    const before = provider.calls.length;
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    provider.before = () => gate;
    const calls = Array.from({ length: 20 }, () => resilient.retrieve("pay_1").catch(failed));
    await waitUntil("the calls to be under way or refused", () => provider.calls.length > before);
    open();
    const answers = await Promise.all(calls);
    expect(answers.every((answer) => answer === null || isFault(answer, "PROVIDER_UNAVAILABLE"))).toBe(true);
    return provider.calls.length - before;
  };
  expect(await press()).toBe(2);
  await clock.advance(QUICK.rampMs);
  expect(await press()).toBe(20);
});

test("asks once and no more when its budget of retries is spent", async () => {
  const retryBudget = { perTry: 0.1, perS: 0, savedMax: 3 };
  const { provider, resilient } = setUp({ failuresInRowMax: 1_000, retryBudget });
  provider.before = unavailable;
  for (let call = 0; call < 100; call += 1) await resilient.retrieve("pay_1").catch(failed);
  expect(provider.calls.length).toBeLessThanOrEqual(100 + 3 + 10);
});

test("passes on what is not an outage, once", async () => {
  const { provider, resilient } = setUp();
  provider.before = () => {
    throw new TypeError("a bug");
  };
  expect(await resilient.cancel("pay_1").catch(failed)).toBeInstanceOf(TypeError);
  expect(provider.calls.length).toBe(1);
});

test("bounds the calls in flight and the calls that wait", async () => {
  const { provider, resilient } = setUp({ tryMsMax: 5_000 });
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  provider.before = () => gate;
  const calls = Array.from({ length: 8 }, (_, index) => resilient.retrieve(`pay_${index}`).catch(failed));
  await waitUntil("two calls to be under way", () => provider.inFlight === 2);
  open();
  const answers = await Promise.all(calls);
  expect(answers.filter((answer) => isFault(answer, "PROVIDER_UNAVAILABLE")).length).toBe(3);
  expect(provider.inFlightPeak).toBe(2);
});

test("does not touch notifications: a forged one stays forged", () => {
  const { resilient } = setUp();
  expect(() => resilient.verifyNotification({ body: "n pay_1", headers: {} })).toThrow(Fault);
  expect(resilient.verifyNotification({ body: "n pay_1", headers: { signed: "yes" } }).paymentId).toBe("pay_1");
});
