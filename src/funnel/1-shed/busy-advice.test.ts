/**
 * The larger the crowd that is refused, the later it is asked back; when it is gone, so is the long wait.
 */
import { expect, test } from "bun:test";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { answerRefusal } from "../refusal-answers.ts";
import { BusyAdvice } from "./busy-advice.ts";

/** The mean of what the next sixteen are told. */
function meanMs(advice: BusyAdvice): number {
  const waits = Array.from({ length: 16 }, () => {
    const { body } = answerRefusal(advice.refuse());
    return (JSON.parse(body) as { retryAfterMs: number }).retryAfterMs;
  });
  return Math.round(waits.reduce((sum, waitMs) => sum + waitMs, 0) / waits.length / 100) * 100;
}

async function second(clock: ManualClock, advice: BusyAdvice, load: { taken: number; refused: number }): Promise<void> {
  for (let count = 0; count < load.taken; count += 1) advice.take();
  for (let count = 0; count < load.refused; count += 1) advice.refuse();
  await clock.advance(1_000);
}

test.each([
  { taken: 1_000, refused: 100, saidMs: 1_000 },
  { taken: 1_000, refused: 1_500, saidMs: 2_000 },
  { taken: 1_000, refused: 4_000, saidMs: 4_000 },
  { taken: 0, refused: 500, saidMs: 4_000 },
])("with $refused refused beside $taken taken in a second, asks back in about $saidMs ms", async (load) => {
  const clock = new ManualClock();
  const advice = new BusyAdvice(clock);
  advice.refuse();
  await second(clock, advice, load);
  expect(meanMs(advice)).toBe(load.saidMs);
});

test("forgets a crowd of some time ago", async () => {
  const clock = new ManualClock();
  const advice = new BusyAdvice(clock);
  advice.refuse();
  await second(clock, advice, { taken: 100, refused: 1_000 });
  expect(meanMs(advice)).toBe(4_000);
  await clock.advance(60_000);
  expect(meanMs(advice)).toBe(1_000);
});
