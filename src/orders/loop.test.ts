import { expect, test } from "bun:test";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { evenRandom, RecordingLog } from "../../test/support/recording-log.ts";
import { createLoop } from "./loop.ts";

function setUp(run: (isStopping: () => boolean) => Promise<void>) {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const loop = createLoop({ name: "test", clock, random: evenRandom(), log, intervalMs: 100, run });
  return { clock, log, loop };
}

test("never overlaps with itself, however long a pass takes", async () => {
  let running = 0;
  let peak = 0;
  let release = (): void => undefined;
  const { clock, loop } = setUp(async () => {
    running += 1;
    peak = Math.max(peak, running);
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    running -= 1;
  });
  loop.start();
  loop.start();
  for (let pass = 0; pass < 5; pass += 1) {
    await clock.advance(1_000);
    expect(running).toBe(1);
    release();
    await clock.advance(0);
  }
  expect(peak).toBe(1);
  const stopped = loop.stop();
  release();
  await stopped;
});

test("waits for the running pass when stopped, and tells it", async () => {
  let seen = false;
  let release = (): void => undefined;
  let isStoppingNow = (): boolean => false;
  const { clock, loop } = setUp(async (isStopping) => {
    isStoppingNow = isStopping;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    seen = true;
  });
  loop.start();
  await clock.advance(200);
  const stopped = loop.stop();
  expect([isStoppingNow(), seen]).toEqual([true, false]);
  release();
  await stopped;
  expect([seen, clock.timerCount]).toEqual([true, 0]);
});

test("does not overlap when it is started again while its last pass still runs", async () => {
  let running = 0;
  let peak = 0;
  const releases: (() => void)[] = [];
  const { clock, loop } = setUp(async () => {
    running += 1;
    peak = Math.max(peak, running);
    await new Promise<void>((resolve) => releases.push(resolve));
    running -= 1;
  });
  loop.start();
  await clock.advance(200);
  const stopped = loop.stop();
  loop.start();
  await clock.advance(1_000);
  expect(running).toBe(1);
  releases[0]?.();
  await stopped;
  await clock.advance(1_000);
  expect([running, peak, releases.length]).toEqual([1, 1, 2]);
  const ended = loop.stop();
  releases[1]?.();
  await ended;
  expect(clock.timerCount).toBe(0);
});

test("survives a pass that fails, and repeats it ever more seldom", async () => {
  let passes = 0;
  const { clock, loop, log } = setUp(async () => {
    passes += 1;
    throw new Error("the database is away");
  });
  loop.start();
  await clock.advance(60_000);
  expect(passes).toBeGreaterThan(5);
  expect(passes).toBeLessThan(15);
  expect(log.count("warn")).toBe(passes);
  await loop.stop();
});
