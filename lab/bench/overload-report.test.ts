/**
 * Recovery counts from the end of the overload to where nothing is out of the ordinary any more, not to the first good moment.
 */
import { expect, test } from "bun:test";
import type { IntervalResult } from "./open-loop.ts";
import { recoveryOf } from "./overload-report.ts";

function run(after: readonly { p99: number; accepted?: number }[]): IntervalResult[] {
  const one = (phase: string, index: number, latencyMsP99: number, accepted = 100): IntervalResult => ({
    sinceStartMs: index * 250,
    phase,
    scheduled: 100,
    answered: 100,
    accepted,
    latencyMsP99,
  });
  const before = [0, 1, 2].map((index) => one("quiet", index, 40)).concat(one("overload", 3, 900, 20));
  return [...before, ...after.map(({ p99, accepted }, index) => one("after", index + 4, p99, accepted))];
}

test.each([
  { after: [{ p99: 30 }, { p99: 30 }], expected: 0 },
  { after: [{ p99: 500 }, { p99: 30 }, { p99: 30 }], expected: 250 },
  { after: [{ p99: 30 }, { p99: 500 }, { p99: 79 }], expected: 500 },
  { after: [{ p99: 30, accepted: 50 }, { p99: 30 }], expected: 250 },
  { after: [{ p99: 30 }, { p99: 81 }], expected: Number.POSITIVE_INFINITY },
])("$after is normal after $expected ms", ({ after, expected }) => {
  expect(recoveryOf(run(after))).toBe(expected);
});
