/** The lists of limits that tests and measurements switch off have every limit that there is to switch off. */
import { expect, test } from "bun:test";
import { SETTINGS } from "../../src/config/settings.ts";
import { NO_LIMITS, NO_RATES } from "../support/open-limits.ts";

test("no rate at all means every one that a node has", () => {
  const rates = Object.keys(SETTINGS).filter((name) => name.startsWith("RATE_"));
  expect(Object.keys(NO_RATES).sort()).toEqual(rates.sort());
  expect(Object.keys(NO_LIMITS).sort()).toEqual(["CONNECTIONS_PER_IP", ...rates].sort());
});
