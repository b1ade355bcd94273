/**
 * The risk engine of a process, with the model that its operator chose.
 */
import { readFileSync } from "node:fs";
import type { Config } from "../config/load.ts";
import { parseRiskWeights } from "../config/risk-weights.ts";
import { Fault } from "../domain/faults.ts";
import type { Catalogue } from "../funnel/2-window/catalogue.ts";
import type { Keys } from "../funnel/3-identity/keys.ts";
import { RiskEngine } from "../funnel/6-admission/risk/risk-engine.ts";
import { DEFAULT_RISK_MODEL, type RiskModel } from "../funnel/6-admission/risk/risk-model.ts";
import type { Clock } from "../ports/clock.ts";

/** The model of RISK_WEIGHTS, or the default one. Throws CONFIG_INVALID. */
export function readRiskModel(path: string | null): RiskModel {
  if (path === null) return DEFAULT_RISK_MODEL;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const internal = `RISK_WEIGHTS names ${JSON.stringify(path)}, which cannot be read.`;
    throw new Fault("CONFIG_INVALID", { cause: error, internal });
  }
  return parseRiskWeights(text, path);
}

/** Makes the engine. Without a limit per address an address says nothing, so accounts are not counted by it either. */
export function createRiskEngine(parts: {
  config: Config;
  clock: Clock;
  keys: Keys;
  catalogue: Catalogue;
}): RiskEngine {
  const { config, clock, keys, catalogue } = parts;
  return new RiskEngine({
    model: readRiskModel(config.riskWeights),
    clock,
    deviceKey: keys.device,
    sharedHash: keys.sharedHash,
    trustedProxies: config.trustedProxies,
    countsNetworks: config.rateIpPerS > 0,
    exemptions: catalogue,
    timeZoneHeader: config.riskTimeZoneHeader?.toLowerCase() ?? null,
  });
}
