/** Durations and latencies are written so that nobody misreads them by a factor. */
import { expect, test } from "bun:test";
import { formatDuration, formatLatency } from "./words.ts";

test("durations name every unit that is not zero", () => {
  expect(formatDuration(600_000)).toBe("10 min");
  expect(formatDuration(90_000)).toBe("1 min 30 s");
  expect(formatDuration(45_000)).toBe("45 s");
  expect(formatDuration(7_200_000)).toBe("2 h");
});

test("a latency that was never measured is not shown as zero", () => {
  expect(formatLatency({ count: 0, ms: 0 })).toBe("–");
  expect(formatLatency({ count: 1, ms: 0.42 })).toBe("0.4 ms");
  expect(formatLatency({ count: 9, ms: 37.6 })).toBe("38 ms");
});
