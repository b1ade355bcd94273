/**
 * The buyers' side of a node: the funnel on the hot route, the buyer API and pages beside it, and the push hub.
 */
import { join } from "node:path";
import { Hono } from "hono";
import { createMemoryGauge } from "../adapters/local/memory-gauge.ts";
import { SANDBOX_PATH } from "../adapters/payment-sandbox/sandbox-provider.ts";
import { type Authenticator, createAuthenticator } from "../funnel/3-identity/authenticate.ts";
import { createShopKeysFetch } from "../funnel/3-identity/shop-keys-fetch.ts";
import { createShopLoginVerifier, type ShopLoginVerifier } from "../funnel/3-identity/shop-login.ts";
import { createClientAddress } from "../funnel/4-throttle/client-address.ts";
import { createFunnel, type Funnel } from "../funnel/funnel.ts";
import { createBuyerApp } from "../http/buyer/app.ts";
import { createCrossOriginPolicy, readableAcrossOrigins } from "../http/cross-origin.ts";
import type { FetchApp, HotRoute } from "../http/listen/listener.ts";
import { missingLedger } from "../http/ops/ledger-check.ts";
import type { ThrottleCount } from "../http/ops/metrics.ts";
import { loadPages, type Pages } from "../http/pages.ts";
import { createGuardedOrders } from "../orders/guarded-orders.ts";
import { createEventHub, type EventHub } from "../push/hub.ts";
import { type ChallengeSide, createChallenges, widgetSourcesOf } from "./challenges.ts";
import type { Payments } from "./payments.ts";
import type { ProcessParts } from "./process-parts.ts";
import { createRouteThrottles, limitsOf, throttleCountsOf } from "./throttles.ts";

const BYTES_PER_MB = 1_048_576;
export interface BuyerSide {
  readonly funnel: Funnel;
  /** The funnel as the listener asks it. */
  readonly hotRoute: HotRoute;
  readonly hub: EventHub;
  readonly challenges: ChallengeSide;
  readonly app: FetchApp;
  /** What the limits of all routes held back. */
  throttled(): readonly ThrottleCount[];
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
  const challenges = createChallenges(parts);
  const funnel = createFunnelOf(parts, { authenticator, challenges });
  const hub = createEventHub({
    eventLog: stores.events,
    orders: stores.orders,
    feed,
    clock,
    random,
    log,
    cursorKey: keys.eventCursor,
  });
  const throttles = createRouteThrottles(parts);
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
    clientAddress: createClientAddress(config.trustedProxies),
    passes: funnel.passes,
    challenges: challenges.gate,
    ...throttles,
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
    throttled: () => [
      ...throttleCountsOf("attempts", funnel.throttled()),
      ...throttleCountsOf("sessions", throttles.sessionThrottle.refusals()),
      ...throttleCountsOf("reads", throttles.readThrottle.refusals()),
    ],
  };
}

/** The hot route's seven stages, with everything they ask. */
function createFunnelOf(
  parts: ProcessParts,
  made: { authenticator: Authenticator; challenges: ChallengeSide },
): Funnel {
  const { config, clock, random, log, keys, feed, catalogue } = parts;
  const { authenticator, challenges } = made;
  return createFunnel({
    ledger: parts.ledger,
    catalogue,
    authenticator,
    feed,
    clock,
    random,
    log,
    telemetry: parts.counters,
    keys,
    limits: limitsOf(config),
    limitExchange: parts.edge?.exchange ?? null,
    asns: parts.asns,
    riskAssessor: parts.risk.engine,
    refusesByScore: config.riskRefuse === "on",
    trustedProxies: config.trustedProxies,
    challengeGate: challenges.gate,
    rampMs: config.ledgerRampMs,
    memory: createMemoryGauge(config.memoryMaxMb === 0 ? null : config.memoryMaxMb * BYTES_PER_MB),
    durability: parts.durability ?? "always",
  });
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

function createShopLogin({ config, clock, random, log }: ProcessParts): ShopLoginVerifier | null {
  const common = { clock, issuer: config.sessionJwtIssuer, audience: config.sessionJwtAudience };
  if (config.sessionJwtSecret !== null) {
    return createShopLoginVerifier({ source: { kind: "secret", secret: config.sessionJwtSecret }, ...common });
  }
  if (config.sessionJwksUrl !== null) {
    const fetchKeys = createShopKeysFetch({ fetch: (url, options) => fetch(url, options), clock, random, log });
    const source = { kind: "jwks", url: config.sessionJwksUrl } as const;
    return createShopLoginVerifier({ source, fetch: fetchKeys, ...common });
  }
  return null;
}
