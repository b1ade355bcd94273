import { expect, test } from "bun:test";
import { forEachBounded } from "./bounded.ts";

test("runs every task, no more than the bound at a time", async () => {
  const done: number[] = [];
  let inFlight = 0;
  let peak = 0;
  await forEachBounded([1, 2, 3, 4, 5, 6, 7], 3, async (value) => {
    inFlight += 1;
    peak = Math.max(peak, inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    inFlight -= 1;
    done.push(value);
  });
  expect(done.sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(peak).toBe(3);
});

test("starts nothing more after a failure, and leaves nothing running behind it", async () => {
  let inFlight = 0;
  const started: number[] = [];
  const failure = await forEachBounded([1, 2, 3, 4, 5, 6], 2, async (value) => {
    started.push(value);
    inFlight += 1;
    await new Promise((resolve) => setImmediate(resolve));
    inFlight -= 1;
    if (value === 2) throw new Error("no");
  }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect([inFlight, started.length < 6]).toEqual([0, true]);
});
