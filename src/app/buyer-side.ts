/**
 * The buyers' side of a node: the funnel on the hot route, the buyer API and pages beside it, and the push hub.
 */
import { join } from "node:path";
import { Hono } from "hono";
import { createMemoryGauge } from "../adapters/local/memory-gauge.ts";
import { SANDBOX_PATH } from "../adapters/payment-sandbox/sandbox-provider.ts";
import { createAuthenticator } from "../funnel/3-identity/authenticate.ts";
import { createShopLoginVerifier, type ShopLoginVerifier } from "../funnel/3-identity/shop-login.ts";
import { createClientAddress } from "../funnel/4-throttle/client-address.ts";
import { type SharedThrottle, Throttle, type ThrottleLimits } from "../funnel/4-throttle/throttle.ts";
import { createFunnel, type Funnel } from "../funnel/funnel.ts";
import { createBuyerApp } from "../http/buyer/app.ts";
import { createCrossOriginPolicy, readableAcrossOrigins } from "../http/cross-origin.ts";
import type { FetchApp, HotRoute } from "../http/listen/listener.ts";
import { missingLedger } from "../http/ops/ledger-check.ts";
import { loadPages, type Pages } from "../http/pages.ts";
import { createGuardedOrders } from "../orders/guarded-orders.ts";
import { createEventHub, type EventHub } from "../push/hub.ts";
import { type ChallengeSide, createChallenges, widgetSourcesOf } from "./challenges.ts";
import type { Payments } from "./payments.ts";
import type { ProcessParts } from "./process-parts.ts";

const BYTES_PER_MB = 1_048_576;
/** Looking at one's own reservations while a hold runs down takes more requests than attempting. */
const READS_PER_ATTEMPT = 4;

type RouteThrottles = "sessionThrottle" | "readThrottle";

export interface BuyerSide {
  readonly funnel: Funnel;
  /** The funnel as the listener asks it. */
  readonly hotRoute: HotRoute;
  readonly hub: EventHub;
  readonly challenges: ChallengeSide;
  readonly app: FetchApp;
}

/** Where `npm run build` puts the pages. */
export function readPages(config: ProcessParts["config"]): Pages {
  return loadPages(join(import.meta.dirname, "../../web/dist"), { widget: widgetSourcesOf(config) });
}

/** Builds the buyers' side; nothing runs until the funnel is warmed up and the hub started. */
export function createBuyerSide(
  parts: ProcessParts,
  outside: { payments: Payments; pages: Pages; publicUrl: () => string; version: string },
): BuyerSide {
  const { config, clock, random, log, keys, stores, feed, catalogue } = parts;
  const edge = parts.edge?.state ?? null;
  const authenticator = createAuthenticator({ keys, clock, random, edge });
  const limits = limitsOf(config);
  const { trustedProxies } = config;
  const challenges = createChallenges(parts);
  const funnel = createFunnel({
    ledger: parts.ledger,
    catalogue,
    authenticator,
    feed,
    clock,
    random,
    log,
    telemetry: parts.counters,
    keys,
    limits,
    limitExchange: parts.edge?.exchange ?? null,
    asns: parts.asns,
    riskAssessor: parts.risk.engine,
    refusesByScore: config.riskRefuse === "on",
    trustedProxies,
    challengeGate: challenges.gate,
    rampMs: config.ledgerRampMs,
    memory: createMemoryGauge(config.memoryMaxMb === 0 ? null : config.memoryMaxMb * BYTES_PER_MB),
    durability: parts.durability ?? "always",
  });
  const hub = createEventHub({
    eventLog: stores.events,
    orders: stores.orders,
    feed,
    clock,
    random,
    log,
    cursorKey: keys.eventCursor,
  });
  const crossOrigin = createCrossOriginPolicy({
    allowedOrigins: config.corsOrigins,
    ownOrigin: () => new URL(outside.publicUrl()).origin,
  });
  const buyerApp = createBuyerApp({
    clock,
    random,
    log,
    keys,
    authenticator,
    catalogue,
    ledger: parts.ledger,
    edge,
    orders: createGuardedOrders({
      orders: stores.orders,
      clock,
      random,
      log,
      onDuration: (durationMs) => funnel.routeGuard.observe(durationMs),
    }),
    routeGuard: funnel.routeGuard,
    checkout: outside.payments.checkout,
    settlement: outside.payments.settlement,
    events: hub,
    clientAddress: createClientAddress(trustedProxies),
    passes: funnel.passes,
    challenges: challenges.gate,
    ...createRouteThrottles(parts, limits),
    readiness: () => funnel.readiness() ?? (missingLedger({ ...parts, sales: catalogue }) === null ? null : "busy"),
    pages: outside.pages,
    crossOrigin,
    shopLogin: createShopLogin(parts),
    risk: parts.risk.engine,
    settings: {
      guestsAllowed: config.sessionGuests === "on",
      sessionTtlMs: config.sessionTtlMs,
      publicUrl: outside.publicUrl,
      unit: config.unit,
      version: outside.version,
    },
  });
  return {
    funnel,
    hotRoute: readableAcrossOrigins(funnel, crossOrigin),
    hub,
    challenges,
    app: withSandbox(buyerApp, outside.payments.pages),
  };
}

function limitsOf(config: ProcessParts["config"]): Required<ThrottleLimits> {
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
function createRouteThrottles(
  parts: ProcessParts,
  limits: Required<ThrottleLimits>,
): { [Name in RouteThrottles]: Throttle } {
  const { config, catalogue, clock, random, edge, asns } = parts;
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

/** The sandbox provider's pages stand beside ours and answer for themselves. */
function withSandbox(buyerApp: FetchApp, sandbox: Hono): FetchApp {
  const mounted = new Hono().route(SANDBOX_PATH, sandbox);
  return {
    fetch(request, context) {
      const { pathname } = new URL(request.url);
      const isSandbox = pathname === SANDBOX_PATH || pathname.startsWith(`${SANDBOX_PATH}/`);
      return isSandbox ? mounted.fetch(request, context) : buyerApp.fetch(request, context);
    },
  };
}

function createShopLogin({ config, clock }: ProcessParts): ShopLoginVerifier | null {
  if (config.sessionJwtSecret !== null) {
    return createShopLoginVerifier({ source: { kind: "secret", secret: config.sessionJwtSecret }, clock });
  }
  if (config.sessionJwksUrl !== null) {
    return createShopLoginVerifier({ source: { kind: "jwks", url: config.sessionJwksUrl }, clock });
  }
  return null;
}
