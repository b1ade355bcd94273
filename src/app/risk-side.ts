/**
 * The risk engine of a process with the model that its operator chose, and its work beside the hot path.
 */
import { readFileSync } from "node:fs";
import type { Config } from "../config/load.ts";
import { Fault } from "../domain/faults.ts";
import type { Catalogue } from "../funnel/2-window/catalogue.ts";
import type { Keys } from "../funnel/3-identity/keys.ts";
import type { AsnLookup } from "../funnel/4-throttle/asn-table.ts";
import { RiskEngine } from "../funnel/6-admission/risk/risk-engine.ts";
import { DEFAULT_RISK_MODEL, type RiskModel } from "../funnel/6-admission/risk/risk-model.ts";
import { RiskWork } from "../funnel/6-admission/risk/risk-work.ts";
import type { BanStore } from "../ports/ban-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { parseRiskWeights } from "./risk-weights.ts";

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

/** The engine, and what it does beside the hot path. */
export interface RiskSide {
  readonly engine: RiskEngine;
  readonly model: RiskModel;
  /** Begins to write bans and reports, and to learn cool-downs. */
  start(): void;
  stop(): Promise<void>;
}

/** Makes both. Without a limit per address an address says nothing, so accounts are not counted by it either. */
export function createRiskSide(parts: {
  config: Config;
  clock: Clock;
  random: Random;
  log: Log;
  keys: Keys;
  catalogue: Catalogue;
  bans: BanStore;
  asns: AsnLookup | null;
}): RiskSide {
  const { config, clock, random, log, keys, catalogue, bans, asns } = parts;
  const model = readRiskModel(config.riskWeights);
  const work = new RiskWork({ bans, runId: random.id(), clock, random, log });
  const engine = new RiskEngine({
    model,
    clock,
    deviceKey: keys.device,
    sharedHash: keys.sharedHash,
    trustedProxies: config.trustedProxies,
    countsNetworks: config.rateIpPerS > 0,
    exemptions: catalogue,
    asns,
    timeZoneHeader: config.riskTimeZoneHeader?.toLowerCase() ?? null,
    propose: work.propose,
  });
  let unsubscribe: (() => void) | null = null;
  return {
    engine,
    model,
    start() {
      unsubscribe ??= catalogue.onRefresh(() => engine.learnBans(catalogue.listBans()));
      work.start(engine);
    },
    async stop() {
      unsubscribe?.();
      unsubscribe = null;
      await work.stop();
    },
  };
}
