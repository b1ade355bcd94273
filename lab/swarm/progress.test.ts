/**
 * What a person sees while a run goes on, at a terminal and in a log.
 */
import { describe, expect, test } from "bun:test";
import type { Clock } from "../../src/ports/clock.ts";
import { Progress } from "./progress.ts";

/** Time passes only when the test says so. */
function handClock(): Clock & { advance(ms: number): void } {
  let nowMs = 0;
  let timers: { atMs: number; callback: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const next = timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined) break;
        nowMs = next.atMs;
        timers = timers.filter((timer) => timer !== next);
        next.callback();
      }
      nowMs = untilMs;
    },
  };
}

describe("progress", () => {
  test("is a line every two seconds where nobody watches", () => {
    const clock = handClock();
    let output = "";
    const progress = new Progress(clock, { write: (text) => (output += text) });
    progress.start(() => `at ${clock.nowMs()}`);
    clock.advance(5_000);
    progress.stop();
    clock.advance(5_000);
    expect(output).toBe("at 0\nat 2000\nat 4000\n");
  });

  test("is one line that is redrawn, never wider than the terminal, and gone when it stops", () => {
    const clock = handClock();
    let output = "";
    const progress = new Progress(clock, { isTTY: true, columns: 8, write: (text) => (output += text) });
    progress.start(() => "0123456789");
    clock.advance(250);
    progress.stop();
    expect(output).toBe("\r\u001b[2K0123456\r\u001b[2K0123456\r\u001b[2K");
    expect(output).not.toContain("\n");
  });
});
