/**
 * A ledger that was away gets its work back little by little; one that was merely idle does not notice a ramp.
 */
import { describe, expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { AWAY_MS, RAMP_ATTEMPTS_MIN, RAMP_FRACTION_MIN, Ramp, WATCH_MS } from "./ramp.ts";

const RAMP_MS = 10_000;
const LIMIT = 2_000;

function setting(rampMs = RAMP_MS) {
  const clock = new ManualClock();
  const ramp = new Ramp({ clock, rampMs });
  /** How many attempts may be in flight. */
  const places = () => {
    let inFlight = 0;
    while (inFlight < LIMIT && ramp.admits({ inFlight, limit: LIMIT })) inFlight += 1;
    return inFlight;
  };
  return { clock, ramp, places };
}

describe("ramp", () => {
  test("holds nobody back while the ledger answers, and after it was merely idle", async () => {
    const { clock, ramp, places } = setting();
    ramp.observe({ isAnswered: true, latencyMs: 5 });
    await clock.advance(AWAY_MS * 10);
    ramp.observe({ isAnswered: true, latencyMs: 5 });
    expect(places()).toBe(LIMIT);
  });

  test("begins at a twentieth when the ledger answers after it was away, and grows evenly", async () => {
    const { clock, ramp, places } = setting();
    ramp.observe({ isAnswered: true, latencyMs: 5 });
    ramp.observe({ isAnswered: false, latencyMs: 0 });
    await clock.advance(AWAY_MS);
    ramp.observe({ isAnswered: false, latencyMs: 0 });
    expect(places()).toBe(LIMIT * RAMP_FRACTION_MIN);
    await clock.advance(60_000);
    expect(places()).toBe(LIMIT * RAMP_FRACTION_MIN);
    ramp.observe({ isAnswered: true, latencyMs: 5 });
    expect(places()).toBe(LIMIT * RAMP_FRACTION_MIN);
    await clock.advance(RAMP_MS / 2);
    expect(places()).toBe(LIMIT * (RAMP_FRACTION_MIN + (1 - RAMP_FRACTION_MIN) / 2));
    await clock.advance(RAMP_MS / 2);
    expect(places()).toBe(LIMIT);
  });

  test("a flush that waited all that time counts as well", async () => {
    const { ramp, clock, places } = setting();
    await clock.advance(10_000);
    ramp.observe({ isAnswered: true, latencyMs: AWAY_MS });
    expect(places()).toBe(LIMIT * RAMP_FRACTION_MIN);
  });

  test("a short failure is none of its business, and one item's failure while others are answered neither", async () => {
    const { clock, ramp, places } = setting();
    ramp.observe({ isAnswered: false, latencyMs: 0 });
    await clock.advance(AWAY_MS - 1);
    ramp.observe({ isAnswered: true, latencyMs: 1 });
    expect(places()).toBe(LIMIT);
    for (let second = 0; second < 10; second += 1) {
      await clock.advance(1_000);
      ramp.observe({ isAnswered: false, latencyMs: 4_000 });
      ramp.observe({ isAnswered: true, latencyMs: 5 });
    }
    expect(places()).toBe(LIMIT);
  });

  test("never goes below what keeps a batch together", async () => {
    const { clock, ramp } = setting();
    ramp.observe({ isAnswered: true, latencyMs: AWAY_MS });
    await clock.advance(0);
    expect(ramp.admits({ inFlight: RAMP_ATTEMPTS_MIN - 1, limit: 100 })).toBe(true);
    expect(ramp.admits({ inFlight: RAMP_ATTEMPTS_MIN, limit: 100 })).toBe(false);
  });

  test("a node that starts in peace has no ramp after a moment", async () => {
    const { clock, ramp, places } = setting();
    ramp.begin();
    expect(ramp.admits({ inFlight: 10, limit: LIMIT })).toBe(true);
    await clock.advance(WATCH_MS);
    expect(places()).toBe(LIMIT);
  });

  test("a node that starts into a crowd ramps from its start", async () => {
    const { clock, ramp, places } = setting();
    ramp.begin();
    expect(places()).toBe(LIMIT * RAMP_FRACTION_MIN);
    await clock.advance(RAMP_MS / 2);
    expect(places()).toBe(LIMIT * (RAMP_FRACTION_MIN + (1 - RAMP_FRACTION_MIN) / 2));
  });

  test("is switched off by 0", async () => {
    const { clock, ramp, places } = setting(0);
    ramp.begin();
    ramp.observe({ isAnswered: false, latencyMs: 0 });
    await clock.advance(AWAY_MS);
    ramp.observe({ isAnswered: false, latencyMs: 0 });
    ramp.observe({ isAnswered: true, latencyMs: AWAY_MS * 2 });
    expect(places()).toBe(LIMIT);
  });
});
