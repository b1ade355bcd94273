/**
 * The gauge says how near this process is to its bound, whichever bound that is.
 */
import { expect, test } from "bun:test";
import { totalmem } from "node:os";
import { createMemoryGauge } from "./memory-gauge.ts";

test("measures the process against the bound it was given", () => {
  const rss = process.memoryUsage.rss();
  const used = createMemoryGauge(rss * 4).usedFraction();
  expect(used).toBeGreaterThan(0.1);
  expect(used).toBeLessThan(0.5);
  expect(createMemoryGauge(rss / 4).usedFraction()).toBeGreaterThan(1);
});

test("without a bound takes what the container or the machine allows, and never more than there is", () => {
  const used = createMemoryGauge().usedFraction();
  expect(used).toBeGreaterThanOrEqual((process.memoryUsage.rss() / totalmem()) * 0.5);
  expect(used).toBeLessThan(1);
});
