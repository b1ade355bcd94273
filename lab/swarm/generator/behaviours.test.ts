/**
 * What follows from an answer: who comes again and when, who pays and where, and that the hostile do neither.
 */
import { describe, expect, test } from "bun:test";
import { nextAfter, nextOfHolder, type Reply } from "./behaviours.ts";
import { planOf } from "./plan.ts";
import { parseScenario } from "./scenario.ts";
import { type Errand, Stream } from "./stream.ts";

const NOW_MS = 5_000;

function errandOf(more: Record<string, unknown>, changes: Partial<Errand> = {}): Errand {
  const one = { kind: "buyer", count: 2_000, arrivals: { curve: "steady", durationMs: 1_000 }, ...more };
  const plan = planOf(parseScenario(JSON.stringify({ name: "t", populations: { one } }), "t"), {});
  const [stream] = plan.streams.map((all) => new Stream(all, { part: 0, partCount: 1 }, 1));
  if (stream === undefined) throw new Error("no stream");
  return { stream, kind: "attempt", arrival: 0, tries: 0, dueMs: 0, path: "", sentMs: 0, ...changes };
}

function reply(outcome: string, more: Partial<Reply> = {}): Reply {
  return { outcome, status: 503, retryAfterMs: () => 2_000, body: "", ...more };
}

describe("after an attempt", () => {
  test.each(["busy", "draining", "throttled", "unavailable", "not_open", "paused", "no answer: reset"])(
    "%s makes a buyer come again, at the advised time and not much later",
    (outcome) => {
      const next = nextAfter(errandOf({}), reply(outcome), NOW_MS);
      if (typeof next !== "object") throw new Error(`he does not: ${next}`);
      expect(next.errand).toMatchObject({ kind: "attempt", tries: 1, arrival: 0 });
      expect(next.errand.dueMs).toBeGreaterThanOrEqual(NOW_MS + 2_000);
      expect(next.errand.dueMs).toBeLessThanOrEqual(NOW_MS + 2_500);
    },
  );

  test.each([
    "held",
    "queued",
    "empty",
    "sold_out",
    "closed",
    "limit_reached",
    "banned",
    "signature_invalid",
    "not_eligible",
  ])("%s is a decision", (outcome) => {
    expect(nextAfter(errandOf({}), reply(outcome), NOW_MS)).toBe("decided");
  });

  test("who has tried often enough goes home undecided", () => {
    expect(nextAfter(errandOf({ triesMax: 3 }, { tries: 2 }), reply("busy"), NOW_MS)).toBe("undecided");
    expect(typeof nextAfter(errandOf({ triesMax: 3 }, { tries: 1 }), reply("busy"), NOW_MS)).toBe("object");
  });

  test("advice of an hour is not waited for", () => {
    const next = nextAfter(errandOf({}), reply("throttled", { retryAfterMs: () => 3_600_000 }), NOW_MS);
    expect(typeof next === "object" && next.errand.dueMs).toBeLessThanOrEqual(NOW_MS + 75_000);
  });

  test.each(["forger", "replayer", "ip_rotator", "early_opener", "scraper"])("a %s is deaf", (kind) => {
    expect(nextAfter(errandOf({ kind }), reply("busy"), NOW_MS)).toBe("nothing");
    expect(nextOfHolder(errandOf({ kind }), "r", NOW_MS)).toBeNull();
  });
});

describe("who holds something", () => {
  const all = (more: Record<string, unknown>): (Errand | null)[] => {
    const first = errandOf(more);
    return Array.from({ length: 2_000 }, (_, arrival) => nextOfHolder({ ...first, arrival }, "rid-1", NOW_MS));
  };

  test("pays in the share and the time that the scenario says, and others give back", () => {
    const next = all({ pay: { share: 0.6, thinkMs: [100, 300] }, giveBack: { share: 0.5, thinkMs: [0, 50] } });
    const of = (kind: string): Errand[] => next.flatMap((one) => (one?.kind === kind ? [one] : []));
    expect(Math.abs(of("checkout").length - 1_200)).toBeLessThan(120);
    expect(Math.abs(of("give back").length - 400)).toBeLessThan(100);
    expect(of("checkout").every(({ path }) => path === "/v1/reservations/rid-1/checkout")).toBe(true);
    const waits = of("checkout").map(({ dueMs }) => dueMs - NOW_MS);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(300);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(150);
  });

  test("leaves it where the scenario says nothing", () => {
    expect(all({}).every((one) => one === null)).toBe(true);
  });
});

describe("after a checkout", () => {
  const checkout = errandOf(
    { pay: { share: 1, thinkMs: [0, 0] } },
    { kind: "checkout", path: "/v1/reservations/r/checkout" },
  );
  const answered = (checkoutUrl: string): Reply =>
    reply("checkout: done", { status: 201, body: JSON.stringify({ checkoutUrl }) });

  test("the button of the shop's own sandbox is pressed", () => {
    const next = nextAfter(checkout, answered("http://127.0.0.1:8080/sandbox-payments/checkout/abc"), NOW_MS);
    expect(next).toMatchObject({ errand: { kind: "press", path: "/sandbox-payments/checkout/abc", dueMs: NOW_MS } });
  });

  test.each(["https://pay.example/checkout/abc", "https://pay.example/x/sandbox-payments/checkout/abc", "nonsense"])(
    "a provider's page is not touched: %s",
    (url) => {
      expect(nextAfter(checkout, answered(url), NOW_MS)).toBe("nothing");
    },
  );

  test("what is queued is asked for again, a few times", () => {
    const busy = reply("checkout: unavailable");
    expect(nextAfter(checkout, busy, NOW_MS)).toMatchObject({
      errand: { kind: "checkout", tries: 1, dueMs: NOW_MS + 2_000 },
    });
    expect(nextAfter({ ...checkout, tries: 5 }, busy, NOW_MS)).toBe("nothing");
  });
});
