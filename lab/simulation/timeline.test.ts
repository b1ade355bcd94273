import { expect, test } from "bun:test";
import { createProcess, ProcessClock, START_MS, Timeline } from "./timeline.ts";

test("moments come in the order of their times, equal ones in the order in which they were planned", async () => {
  const timeline = new Timeline();
  const process = createProcess("p");
  const heard: number[] = [];
  for (const delayMs of [5, 1, 3, 1, 4, 2, 5, 0]) timeline.after(process, delayMs, () => heard.push(delayMs));
  const cancel = timeline.after(process, 2, () => heard.push(99));
  cancel();
  await timeline.runUntil(4);
  expect(heard).toEqual([0, 1, 1, 2, 3, 4]);
  expect(timeline.nowMs).toBe(4);
  await timeline.runUntil(10);
  expect(heard.slice(6)).toEqual([5, 5]);
});

test("between two moments everything that is ready runs to its end, however deep", async () => {
  const timeline = new Timeline();
  const process = createProcess("p");
  const heard: string[] = [];
  timeline.after(process, 1, () => {
    void (async () => {
      for (let turn = 0; turn < 1_000; turn += 1) await Promise.resolve();
      heard.push("first");
    })();
  });
  timeline.after(process, 1, () => heard.push("second"));
  await timeline.runUntil(2);
  expect(heard).toEqual(["first", "second"]);
});

test("a paused process hears everything when it goes on, a dead one nothing", async () => {
  const timeline = new Timeline();
  const paused = createProcess("paused");
  const dead = createProcess("dead");
  const heard: string[] = [];
  timeline.after(paused, 1, () => heard.push("a"));
  timeline.after(paused, 2, () => heard.push("b"));
  timeline.after(dead, 1, () => heard.push("never"));
  timeline.pause(paused);
  timeline.kill(dead);
  await timeline.runUntil(5);
  expect(heard).toEqual([]);
  timeline.resume(paused);
  await timeline.runUntil(5);
  expect(heard).toEqual(["a", "b"]);
});

test("a process may have a wrong wall clock and has a right monotonic one", async () => {
  const timeline = new Timeline();
  const process = createProcess("p");
  const clock = new ProcessClock(timeline, process);
  process.skewMs = -7_000;
  await timeline.runUntil(100);
  expect(clock.nowMs()).toBe(START_MS + 100 - 7_000);
  expect(clock.monotonicMs()).toBe(100);
});
