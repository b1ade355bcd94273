import { describe, expect, test } from "bun:test";
import type { Verdict } from "./knee.ts";
import { measuredRate } from "./measured-rate.ts";
import type { TrialReading } from "./reading.ts";

const MACHINE = { cores: 4, generatorProcesses: 1 };

function readingsOf(...trials: readonly (readonly [ratePerS: number, verdict: Verdict])[]): readonly TrialReading[] {
  return trials.map(([ratePerS, verdict]) => ({
    ...{ ratePerS, verdict, latencyMsP99: ratePerS / 10, decisions: ratePerS, cpuUsPerDecision: { api: ratePerS } },
    ...{ cores: { api: verdict === "kept" ? 0.5 : 0.97 }, generatorLatenessMs: 1, throttled: 0, errors: 0 },
  }));
}

describe("the rate that was measured", () => {
  test("is the highest that was kept, with the figures of the trial that kept it", () => {
    const readings = readingsOf([1_000, "kept"], [2_000, "far off"], [1_414, "missed"], [1_414, "missed"]);
    expect(measuredRate(readings, MACHINE, "accepted")).toEqual({
      ...{ ratePerS: 1_000, latencyMsP99: 100, missedPerS: 1_414, limitedBy: "api processor" },
      ...{ because: "at 1414/s it used 0.97 cores", cpuUsPerDecision: { api: 1_000 } },
    });
  });

  test.each([
    ["above all that was kept", readingsOf([1_000, "kept"], [2_000, "missed"]), 2_000],
    ["below one that was far off", readingsOf([1_000, "kept"], [4_000, "far off"], [2_000, "missed"]), 2_000],
  ])("has what was missed once against it when there was no time to try that again: %s", (_, readings, missedPerS) => {
    expect(measuredRate(readings, MACHINE, "accepted")).toMatchObject({
      ...{ ratePerS: 1_000, missedPerS, limitedBy: "api processor" },
      because: `at ${missedPerS}/s it used 0.97 cores; ${missedPerS}/s was missed once, and there was no time to try it again`,
    });
  });

  test("has no time against it only where no rate was missed, or each was kept the second time", () => {
    for (const readings of [
      readingsOf([1_000, "kept"], [2_000, "kept"]),
      readingsOf([1_000, "missed"], [1_000, "kept"], [2_000, "kept"]),
    ]) {
      expect(measuredRate(readings, MACHINE, "refused")).toMatchObject({
        ...{ ratePerS: 2_000, missedPerS: null, limitedBy: "time" },
        because: "no rate that was tried was missed: it may be more",
      });
    }
  });
});

describe("where no rate was kept", () => {
  test.each([
    [
      "far off, far off",
      readingsOf([500, "far off"], [250, "far off"]),
      "down to 250/s (at 250/s it used 0.97 cores).",
    ],
    [
      "missed once",
      readingsOf([500, "missed"]),
      "down to 500/s (at 500/s it used 0.97 cores; 500/s was missed once, and there was no time to try it again).",
    ],
  ] as const)("there is none, with words for the operator: %s", (_, readings, words) => {
    for (const wanted of ["accepted", "refused"] as const) {
      expect(() => measuredRate(readings, MACHINE, wanted)).toThrow(
        `No rate was kept at which everybody is ${wanted}, ${words}`,
      );
    }
  });
});
