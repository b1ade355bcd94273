/**
 * The limits of a node's routes: the hot one's as they are configured, those beside it in proportion.
 */
import {
  type SharedThrottle,
  Throttle,
  type ThrottleLimits,
  type ThrottleScope,
} from "../funnel/4-throttle/throttle.ts";
import type { ThrottleCount } from "../http/ops/metrics.ts";
import type { ProcessParts } from "./process-parts.ts";

/** Looking at one's own reservations while a hold runs down takes more requests than attempting. */
const READS_PER_ATTEMPT = 4;

/** The limits of the hot route. */
export function limitsOf(config: ProcessParts["config"]): Required<ThrottleLimits> {
  return {
    buyerPerS: config.rateBuyerPerS,
    buyerPerMin: config.rateBuyerPerMin,
    devicePerS: config.rateDevicePerS,
    ipPerS: config.rateIpPerS,
    networkPerS: config.rateNetworkPerS,
    asnPerS: config.rateAsnPerS,
    salePerS: config.rateSalePerS,
    totalPerS: config.rateTotalPerS,
  };
}

function timesOf(limits: Required<ThrottleLimits>, factor: number): Required<ThrottleLimits> {
  return {
    buyerPerS: limits.buyerPerS * factor,
    buyerPerMin: limits.buyerPerMin * factor,
    devicePerS: limits.devicePerS * factor,
    ipPerS: limits.ipPerS * factor,
    networkPerS: limits.networkPerS * factor,
    asnPerS: limits.asnPerS * factor,
    salePerS: limits.salePerS * factor,
    totalPerS: limits.totalPerS * factor,
  };
}

/** Limits of the routes beside the hot one, shared between nodes like those of the funnel. */
export function createRouteThrottles(parts: ProcessParts): {
  readonly sessionThrottle: Throttle;
  readonly readThrottle: Throttle;
} {
  const { config, catalogue, clock, random, edge, asns } = parts;
  const limits = limitsOf(config);
  const common = { trustedProxies: config.trustedProxies, asns, clock, random };
  const shared = (name: SharedThrottle["name"]) => (edge === null ? null : { exchange: edge.exchange, name });
  return {
    // Nobody has a name yet, so there is nothing to remember of buyers.
    sessionThrottle: new Throttle({
      ...common,
      bans: catalogue,
      limits: { ...limits, buyerPerS: 0, buyerPerMin: 0, devicePerS: 0, salePerS: 0 },
      shared: shared("sessions"),
    }),
    // A ban keeps a buyer from attempting, not from seeing, paying or giving back what he already won.
    readThrottle: new Throttle({
      ...common,
      bans: { isBanned: () => false },
      limits: { ...timesOf(limits, READS_PER_ATTEMPT), salePerS: 0 },
      shared: shared("reads"),
    }),
  };
}

/** What the limits of one set held back, as it is exported. */
export function throttleCountsOf(of: string, refusals: ReadonlyMap<ThrottleScope, number>): readonly ThrottleCount[] {
  return Array.from(refusals, ([limit, count]) => ({ of, limit, count }));
}
