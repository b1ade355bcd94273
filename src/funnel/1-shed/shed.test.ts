/**
 * The first stage takes work only when the process can do it, and says which of its bounds is reached.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import type { HotRequest } from "../request.ts";
import { BusyAdvice } from "./busy-advice.ts";
import { CONCURRENCY_AT_START, ConcurrencyLimit } from "./concurrency-limit.ts";
import { Ladder, STEPS } from "./ladder.ts";
import { RAMP_ATTEMPTS_MIN, RAMP_FRACTION_MIN, Ramp } from "./ramp.ts";
import { BODIES_READ_MAX, Shed } from "./shed.ts";

function request(headers: Record<string, string> = {}): HotRequest {
  const sent: Record<string, string> = { "idempotency-key": "a-key-of-the-tests", ...headers };
  return {
    method: "POST",
    saleId: "demo",
    sku: "one",
    pathAndQuery: "/",
    remoteAddress: "",
    header: (name) => sent[name] ?? null,
    readBody: async () => new Uint8Array(0),
  };
}

function coldShed(rampMs = 0) {
  const clock = new ManualClock();
  const loopDelay = { delayMs: 0 };
  const ladder = new Ladder({ loopDelay, memory: null, clock });
  const ramp = new Ramp({ clock, rampMs });
  return { shed: new Shed({ limit: new ConcurrencyLimit(), ladder, ramp, advice: new BusyAdvice(clock) }), loopDelay };
}

function warmShed() {
  const cold = coldShed();
  cold.shed.markWarm();
  return cold;
}

describe("shed", () => {
  test("is busy until warm: nothing untrue is said about sales that are not loaded yet", () => {
    const { shed } = coldShed();
    expect(shed.check(request())?.reason).toBe("busy");
    expect(shed.readiness).toBe("busy");
    shed.markWarm();
    expect(shed.check(request())).toBeNull();
    expect(shed.readiness).toBeNull();
  });

  test("is draining for good once it drains, warm or not", () => {
    const { shed } = warmShed();
    shed.drain();
    expect(shed.check(request())?.reason).toBe("draining");
    expect(shed.readiness).toBe("draining");
  });

  test("says that it will drain before it refuses anybody", () => {
    const { shed } = warmShed();
    shed.announceDrain();
    expect(shed.readiness).toBe("draining");
    expect(shed.check(request())).toBeNull();
  });

  test("is busy exactly while as many attempts are in flight as may be", () => {
    const { shed } = warmShed();
    for (let count = 0; count < CONCURRENCY_AT_START; count += 1) shed.enter();
    expect(shed.check(request())?.reason).toBe("busy");
    shed.leave();
    expect(shed.check(request())).toBeNull();
  });

  test("gives no place to whoever has read his body when the last one is taken", () => {
    const { shed } = warmShed();
    for (let count = 0; count < CONCURRENCY_AT_START; count += 1) expect(shed.enter()).toBe(true);
    expect(shed.enter()).toBe(false);
    expect(shed.inFlight).toBe(CONCURRENCY_AT_START);
    shed.leave();
    expect(shed.enter()).toBe(true);
  });

  test("slow bodies have a bound of their own and do not use up the ledger's places", () => {
    const { shed } = warmShed();
    for (let count = 0; count < BODIES_READ_MAX - 1; count += 1) shed.beginRead();
    expect(shed.check(request())).toBeNull();
    shed.beginRead();
    expect(shed.check(request())?.reason).toBe("busy");
    shed.endRead();
    expect(shed.check(request())).toBeNull();
    expect(shed.inFlight).toBe(0);
  });

  test("who waits for a commit keeps the node from ending and takes no place", () => {
    const { shed } = warmShed();
    for (let count = 0; count < CONCURRENCY_AT_START; count += 1) shed.beginConfirm();
    expect(shed.check(request())).toBeNull();
    expect(shed.admitted).toBe(CONCURRENCY_AT_START);
    for (let count = 0; count < CONCURRENCY_AT_START; count += 1) shed.endConfirm();
    expect(shed.admitted).toBe(0);
  });

  test("a node that becomes warm in a crowd takes little at first", () => {
    const { shed } = coldShed(10_000);
    shed.markWarm();
    while (shed.check(request()) === null) shed.enter();
    expect(shed.inFlight).toBe(Math.max(RAMP_ATTEMPTS_MIN, Math.ceil(CONCURRENCY_AT_START * RAMP_FRACTION_MIN)));
  });

  test("is busy for more and more while the event loop is late, and not ready when it is for all", () => {
    const { shed, loopDelay } = warmShed();
    const { from, to } = STEPS.reserve.delayMs;
    const refusedOf100 = (delayMs: number) => {
      loopDelay.delayMs = delayMs;
      return Array.from({ length: 100 }, () => shed.check(request())).filter((refusal) => refusal?.reason === "busy")
        .length;
    };
    expect([from, (from + to) / 2, to].map(refusedOf100)).toEqual([0, 50, 100]);
    expect(shed.readiness).toBe("busy");
    loopDelay.delayMs = to - 1;
    expect(shed.readiness).toBeNull();
  });

  test.each([
    ["4096", null],
    ["0", null],
    ["4097", "payload_too_large"],
    ["999999999999", "payload_too_large"],
    ["1".repeat(400), "payload_too_large"],
    ["-1", "malformed"],
    ["1e3", "malformed"],
    ["", "malformed"],
    ["12, 12", "malformed"],
  ])("a body announced with %p bytes is %p", (length, reason) => {
    const { shed } = warmShed();
    expect(shed.check(request({ "content-length": length }))?.reason ?? null).toBe(reason as never);
  });

  test.each(["", "short", "x".repeat(65), "with space", "tab\tinside", "ümlaut-key"])(
    "the idempotency key %p is malformed",
    (key) => {
      const { shed } = warmShed();
      expect(shed.check(request({ "idempotency-key": key }))?.reason).toBe("malformed");
    },
  );
});
