/**
 * What the trials of one search say together: the rate that was kept and what was in the way of more, or why there is none.
 *
 * Pure. A rate that was missed once, with no time left to try it again, is what stood in the way all the same: the certificate
 * names it and says so, and never that nothing was missed.
 */
import type { MeasuredRate } from "../../src/domain/certificate.ts";
import { kneeOf, lowestMissOf } from "./knee.ts";
import { limitOf, type TrialReading, type Wanted } from "./reading.ts";

/** Where the load ran. */
export interface Machine {
  readonly cores: number;
  readonly generatorProcesses: number;
}

/** Throws words for the operator when no rate was kept; `wanted` is for them. */
export function measuredRate(readings: readonly TrialReading[], machine: Machine, wanted: Wanted): MeasuredRate {
  const { keptPerS } = kneeOf(readings);
  const miss = lowestMissOf(readings);
  const missed = readings.findLast(({ ratePerS }) => ratePerS === miss?.ratePerS) ?? null;
  const { limitedBy, because } = limitOf(missed, machine);
  const kept = readings.findLast(({ ratePerS, verdict }) => ratePerS === keptPerS && verdict === "kept");
  const doubt =
    miss?.isCertain === false ? `; ${miss.ratePerS}/s was missed once, and there was no time to try it again` : "";
  if (keptPerS === null || kept === undefined) {
    throw new Error(
      `No rate was kept at which everybody is ${wanted}, down to ${missed?.ratePerS ?? 0}/s (${because}${doubt}). Look at the deployment's health before its capacity, or give it more seconds.`,
    );
  }
  return {
    ratePerS: keptPerS,
    latencyMsP99: kept.latencyMsP99,
    missedPerS: miss?.ratePerS ?? null,
    limitedBy,
    because: `${because}${doubt}`,
    cpuUsPerDecision: kept.cpuUsPerDecision,
  };
}
