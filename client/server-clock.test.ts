/**
 * The clock is right within the error it states, whatever the round trips are like.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ServerClock } from "./server-clock.ts";

/** A device whose wall clock is off, asking a server over a line with these delays there and back. */
function device(offByMs: number, delays: readonly { there: number; back: number }[]) {
  const trueStartMs = 1_800_000_000_000;
  let elapsedMs = 0;
  let asked = 0;
  const clock = new ServerClock({
    now: () => trueStartMs + elapsedMs + offByMs,
    monotonic: () => elapsedMs,
    askServer: async () => {
      const delay = delays[asked++ % delays.length] ?? { there: 0, back: 0 };
      elapsedMs += delay.there;
      const answer = Math.floor(trueStartMs + elapsedMs);
      elapsedMs += delay.back;
      return answer;
    },
  });
  return {
    clock,
    trueNowMs: () => trueStartMs + elapsedMs,
    wait: (ms: number) => {
      elapsedMs += ms;
    },
  };
}

const delay = fc.record({
  there: fc.double({ min: 0, max: 800, noNaN: true }),
  back: fc.double({ min: 0, max: 800, noNaN: true }),
});

describe("server clock", () => {
  test("is off by no more than it says, for any wall clock and any line", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.array(delay, { minLength: 1, maxLength: 5 }),
        async (offByMs, delays) => {
          const { clock, trueNowMs, wait } = device(offByMs, delays);
          const reading = await clock.sync();
          wait(12_345);
          expect(Math.abs(clock.now() - trueNowMs())).toBeLessThanOrEqual(reading.errorMs + 0.01);
          expect(Math.abs(reading.offsetMs + offByMs)).toBeLessThanOrEqual(reading.errorMs + 0.01);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("believes the quickest answer", async () => {
    const { clock } = device(0, [
      { there: 500, back: 5 },
      { there: 4, back: 4 },
      { there: 5, back: 500 },
    ]);
    expect((await clock.sync(3)).roundTripMs).toBeCloseTo(8, 5);
  });

  test("keeps counting when the device's wall clock is changed", async () => {
    let wallMs = 1_000;
    let elapsedMs = 0;
    const clock = new ServerClock({ now: () => wallMs, monotonic: () => elapsedMs, askServer: async () => 5_000 });
    await clock.sync(1);
    const before = clock.now();
    wallMs += 3_600_000;
    elapsedMs += 10;
    expect(clock.now() - before).toBe(10);
  });

  test("trusts the device until it knows better, and says that it knows nothing", () => {
    const clock = new ServerClock({ now: () => 42, monotonic: () => 0, askServer: async () => 0 });
    expect(clock.now()).toBe(42);
    expect(clock.reading()).toBeNull();
  });

  test("survives lost samples, and fails only when all are lost", async () => {
    let asked = 0;
    const flaky = new ServerClock({
      now: () => 0,
      monotonic: () => 0,
      askServer: async () => {
        asked += 1;
        if (asked < 5) throw new Error("lost");
        return 7;
      },
    });
    expect(await flaky.sync(5)).toMatchObject({ roundTripMs: 0 });
    asked = 0;
    await expect(flaky.sync(3)).rejects.toThrow("could not be read");
  });
});
