/** The promises of the buy button: one key for one wish, no lie about an unknown outcome, no stampede. */
import { describe, expect, test } from "bun:test";
import { REFUSALS, type RefusalReason } from "../../src/domain/refusals.ts";
import { type Answer, IDLE, nextPurchase, type Purchase, TRIES_MAX } from "./purchase.ts";

const press = { kind: "press", key: "key-number-1", quantity: 2, patient: false } as const;
const patientPress = { ...press, patient: true };
const sending = nextPurchase(IDLE, press);

function answered(purchase: Purchase, answer: Answer, chance = 0): Purchase {
  return nextPurchase(purchase, { kind: "answer", answer, now: 10_000, chance });
}

function refusal(reason: RefusalReason, retryAfterMs: number | null = null, left: number | null = null): Answer {
  return { kind: "refused", reason, title: REFUSALS[reason].title, retryAfterMs, left };
}

function ask(purchase: Purchase): Purchase {
  return nextPurchase(purchase, { kind: "ask" });
}

describe("one wish, one key", () => {
  test("a second press while a request is out changes nothing", () => {
    expect(nextPurchase(sending, { ...press, key: "key-number-2" })).toBe(sending);
  });

  test("every repetition carries the key and quantity of the first press", () => {
    let purchase = sending;
    for (let round = 0; round < 20; round += 1) {
      purchase = ask(answered(purchase, { kind: "lost" }));
      expect(purchase).toMatchObject({ kind: "sending", attempt: { key: "key-number-1", quantity: 2 } });
    }
  });

  test("pressing while we wait asks at once, with the old key and not with a new one", () => {
    const waiting = answered(sending, { kind: "lost" });
    const pressed = nextPurchase(waiting, { ...press, key: "key-number-2", quantity: 1 });
    expect(pressed).toMatchObject({ kind: "sending", attempt: { key: "key-number-1", quantity: 2 } });
  });

  test("after a final no, the next press is a new wish with a new key", () => {
    const refused = answered(sending, refusal("ended"));
    expect(refused.kind).toBe("refused");
    expect(nextPurchase(refused, { ...press, key: "key-number-2" })).toMatchObject({
      attempt: { key: "key-number-2" },
    });
  });
});

describe("an unknown outcome", () => {
  test("is what a lost answer, an unavailable ledger and an internal error are called", () => {
    for (const answer of [{ kind: "lost" } as const, refusal("unavailable"), refusal("internal")]) {
      expect(answered(sending, answer)).toMatchObject({
        kind: "waiting",
        cause: "unknown",
        attempt: { unknown: true },
      });
    }
  });

  test("stays unknown through a throttle, a crowded node and a restart, however often", () => {
    let purchase = ask(answered(sending, { kind: "lost" }));
    for (let round = 0; round < TRIES_MAX * 2; round += 1) {
      const reason = (["throttled", "busy", "draining"] as const)[round % 3] ?? "busy";
      const waiting = answered(purchase, refusal(reason));
      expect(waiting).toMatchObject({ kind: "waiting", cause: "unknown" });
      purchase = ask(waiting);
    }
  });

  test("cannot be stopped, because the units may already be held", () => {
    const waiting = answered(sending, { kind: "lost" });
    expect(nextPurchase(waiting, { kind: "stop" })).toBe(waiting);
  });

  test("ends with the ledger's word: accepted, or all taken", () => {
    const again = ask(answered(sending, { kind: "lost" }));
    expect(answered(again, { kind: "accepted", rid: "r1" })).toEqual({ kind: "won", rid: "r1" });
    expect(answered(again, refusal("empty"))).toMatchObject({ kind: "refused", reason: "empty" });
    expect(answered(again, refusal("sold_out"))).toMatchObject({ kind: "refused", reason: "sold_out" });
  });
});

describe("asking again", () => {
  test("never before the server allows it, and spread over half as long again", () => {
    const soonest = answered(sending, refusal("throttled", 5_000), 0);
    const latest = answered(sending, refusal("throttled", 5_000), 1);
    expect(soonest).toMatchObject({ kind: "waiting", cause: "too-fast", askAt: 15_000 });
    expect(latest).toMatchObject({ askAt: 17_500 });
  });

  test("as long as a cool-down lasts, and hardly longer", () => {
    const wait: Answer = { kind: "refused", reason: "cool_down", title: "", retryAfterMs: 600_000, left: null };
    const soonest = answered(sending, wait, 0);
    const latest = answered(sending, wait, 1);
    expect(soonest).toMatchObject({ kind: "waiting", cause: "cooling", askAt: 610_000 });
    expect(latest).toMatchObject({ askAt: 611_000 });
  });

  test("slows down from one second to thirty while nothing is known", () => {
    const delays: number[] = [];
    let purchase = sending;
    for (let round = 0; round < 8; round += 1) {
      const waiting = answered(purchase, { kind: "lost" });
      if (waiting.kind === "waiting") delays.push(waiting.askAt - 10_000);
      purchase = ask(waiting);
    }
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("gives up on a known refusal after a bounded number of tries", () => {
    let purchase = sending;
    let tries = 0;
    while (purchase.kind === "sending") {
      tries += 1;
      purchase = ask(answered(purchase, refusal("busy", 10)));
    }
    expect(tries).toBe(TRIES_MAX);
    expect(purchase).toMatchObject({ kind: "refused", reason: "busy" });
  });

  test("when all are taken, happens only if the buyer wants it, every four seconds at most, and can be stopped", () => {
    expect(answered(sending, refusal("empty", 2_000))).toMatchObject({ kind: "refused", reason: "empty" });
    let patient = nextPurchase(IDLE, patientPress);
    for (let round = 0; round < TRIES_MAX * 3; round += 1) {
      const waiting = answered(patient, refusal("empty", 2_000));
      expect(waiting).toMatchObject({ kind: "waiting", cause: "empty", askAt: 14_000 });
      expect(nextPurchase(waiting, { kind: "stop" })).toEqual(IDLE);
      patient = ask(waiting);
    }
  });

  test("when fewer are left than were asked for, stops at once: that can be changed", () => {
    const patient = nextPurchase(IDLE, patientPress);
    expect(answered(patient, refusal("empty", 2_000, 1))).toMatchObject({ kind: "refused", reason: "empty", left: 1 });
  });

  test("a knock before the gate opened by the server's clock is repeated at the server's instant", () => {
    expect(answered(sending, refusal("not_open", 240), 1)).toMatchObject({ cause: "early", askAt: 10_240 });
    expect(answered(sending, refusal("not_open", 0))).toMatchObject({ askAt: 10_100 });
  });
});

test("every refusal of the table leads somewhere: asking again, or a no with its text", () => {
  for (const reason of Object.keys(REFUSALS) as RefusalReason[]) {
    const after = answered(sending, refusal(reason));
    expect(["waiting", "refused"]).toContain(after.kind);
    if (REFUSALS[reason].retry === "never")
      expect(after).toMatchObject({ kind: "refused", title: REFUSALS[reason].title });
  }
});
