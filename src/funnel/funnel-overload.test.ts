/**
 * The whole funnel under more than its ledger can take: the limit follows the answers, and nobody beyond it waits.
 */
import { describe, expect, test } from "bun:test";
import { FunnelFixture, problemOf } from "../../test/support/funnel-fixture.ts";
import { CONCURRENCY_AT_START, CONCURRENCY_MIN } from "./1-shed/concurrency-limit.ts";
import type { HotAnswer } from "./request.ts";

const STOCK = 1_000_000;

async function scene(flightMs: number) {
  const fixture = await FunnelFixture.warm();
  const ledger = { flightMs };
  fixture.ledger.addItem(1, STOCK);
  fixture.ledger.delay = () =>
    new Promise((resolve) => {
      fixture.clock.setTimer(ledger.flightMs, resolve);
    });
  const ask = () => fixture.funnel.decide(fixture.request(fixture.buyer()));
  /** Keeps the funnel full for a time. */
  const press = async (forMs: number) => {
    for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs += 10) {
      while (fixture.funnel.inFlight() < fixture.funnel.attemptsMax()) {
        if (!(ask() instanceof Promise)) break;
      }
      await fixture.clock.advance(10);
    }
  };
  return { fixture, ledger, ask, press };
}

describe("a funnel that is pressed", () => {
  test("lets as many wait as its limit says, also when all come in one turn, and refuses the others with advice", async () => {
    const { fixture, ask } = await scene(20);
    const crowd = Array.from({ length: CONCURRENCY_AT_START * 2 }, ask);
    // Their bodies are read now; a place at the ledger is given after that.
    await fixture.clock.advance(2);
    expect(fixture.funnel.inFlight()).toBe(CONCURRENCY_AT_START);
    const late = ask();
    expect(late).not.toBeInstanceOf(Promise);
    expect(problemOf(late as HotAnswer)).toMatchObject({
      reason: "busy",
      stage: "shed",
      retryAfterMs: expect.any(Number),
    });
    await fixture.clock.advance(500);
    const statuses = (await Promise.all(crowd)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201).length).toBe(CONCURRENCY_AT_START);
    expect(statuses.filter((status) => status === 503).length).toBe(CONCURRENCY_AT_START);
    expect(fixture.ledger.accepted.size).toBe(CONCURRENCY_AT_START);
  });

  test("has a smaller limit while the ledger is slow, and a larger one soon after it is quick again", async () => {
    const { fixture, ledger, press } = await scene(400);
    await press(6_000);
    const whenSlow = fixture.funnel.attemptsMax();
    expect(whenSlow).toBeLessThan(CONCURRENCY_AT_START / 2);
    expect(whenSlow).toBeGreaterThanOrEqual(CONCURRENCY_MIN);
    ledger.flightMs = 40;
    await press(1_500);
    expect(fixture.funnel.attemptsMax()).toBeGreaterThan(whenSlow * 2);
  });
});
