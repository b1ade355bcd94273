/** Remaining time never claims zero early, and tells a screen reader only what matters. */
import { describe, expect, test } from "bun:test";
import { formatRemaining, spokenRemaining, tickDelayMs } from "./countdown.ts";

describe("formatRemaining", () => {
  test("shows zero only when nothing is left, never a moment before", () => {
    expect(formatRemaining(1)).toBe("00:01");
    expect(formatRemaining(0)).toBe("00:00");
    expect(formatRemaining(-5_000)).toBe("00:00");
  });

  test("keeps two digits for minutes and seconds and grows by hours and days", () => {
    expect(formatRemaining(299_000)).toBe("04:59");
    expect(formatRemaining(3_600_000)).toBe("1:00:00");
    expect(formatRemaining(2 * 86_400_000 + 3_723_000)).toBe("2 d 01:02:03");
  });
});

describe("tickDelayMs", () => {
  test("wakes just after the digits change, at most a second later", () => {
    for (const remainingMs of [10_000, 9_999.5, 9_001, 9_000.4, 1, 0, -1, -1_500]) {
      const delayMs = tickDelayMs(remainingMs);
      expect(delayMs).toBeGreaterThan(0);
      expect(delayMs).toBeLessThanOrEqual(1_002);
      if (remainingMs > 1_000) expect(formatRemaining(remainingMs - delayMs)).not.toBe(formatRemaining(remainingMs));
    }
  });
});

describe("spokenRemaining", () => {
  test("speaks at each mark once and is silent in between", () => {
    const spoken: string[] = [];
    for (let second = 4_000; second > 0; second -= 1) {
      const words = spokenRemaining({ previousMs: second * 1_000, currentMs: (second - 1) * 1_000 });
      if (words !== null) spoken.push(words);
    }
    expect(spoken).toEqual(["1 hour", "10 minutes", "5 minutes", "1 minute", "30 seconds", "10 seconds"]);
  });

  test("after a long sleep says only the newest mark, and nothing once time is up", () => {
    expect(spokenRemaining({ previousMs: 4_000_000, currentMs: 25_000 })).toBe("30 seconds");
    expect(spokenRemaining({ previousMs: 4_000_000, currentMs: 0 })).toBeNull();
  });
});
