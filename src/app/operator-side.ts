/**
 * The operators' port of a node: health, readiness and metrics always, the operator API and console with the `admin` role.
 */

import { OpenidProvider } from "../adapters/openid/openid-provider.ts";
import { PostgresBooks } from "../adapters/postgres/postgres-books.ts";
import { createPostgresModeHistory } from "../adapters/postgres/postgres-mode-history.ts";
import type { Config } from "../config/load.ts";
import { Fault } from "../domain/faults.ts";
import type { FetchApp } from "../http/listen/listener.ts";
import { createOperatorApp } from "../http/operator/app.ts";
import type { OperatorsParts } from "../http/operator/dependencies.ts";
import { createOpsApp, type OpsApp, type ReadinessCheck } from "../http/ops/app.ts";
import { createLedgerCheck } from "../http/ops/ledger-check.ts";
import { createMetrics } from "../http/ops/metrics.ts";
import type { Pages } from "../http/pages.ts";
import { type AuditMonitor, createAuditMonitor } from "../ledger/audit-monitor.ts";
import { createAuditor } from "../ledger/auditor.ts";
import { BucketAuditor } from "../ledger/bucket-auditor.ts";
import { LedgerView } from "../ledger/ledger-view.ts";
import { createShownStock } from "../ledger/shown-stock.ts";
import { StreamRecovery } from "../orders/stream-recovery.ts";
import type { BucketStore } from "../ports/bucket-store.ts";
import type { IdentityProvider } from "../ports/identity-provider.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { BuyerSide } from "./buyer-side.ts";
import type { ProcessParts } from "./process-parts.ts";
import { createRehearsals, type NodeRehearsals, type OwnPorts } from "./rehearsals.ts";
import { missingSchema } from "./storage.ts";
import type { Webhooks } from "./webhooks.ts";

/** A catalogue that was not refreshed for this long is not to be trusted with new buyers. */
const CATALOGUE_AGE_MS_MAX = 10_000;

/** What a node without REDIS_URL can say about buckets. */
const NO_BUCKETS: Pick<BucketStore, "auditEach"> = {
  auditEach: () => Promise.reject(new Fault("LEDGER_UNAVAILABLE", { internal: "this node has no REDIS_URL" })),
};

export interface OperatorSide {
  readonly app: FetchApp;
  readonly monitor: AuditMonitor;
  /** Null without the operator API. */
  readonly rehearsals: NodeRehearsals | null;
}

/** Builds the operators' side. `buyers` is null on a node without the `api` role. */
export function createOperatorSide(
  parts: ProcessParts,
  outside: {
    buyers: BuyerSide | null;
    pages: Pages;
    isDraining: () => boolean;
    hasOperatorApi: boolean;
    webhooks: Webhooks["forOperators"];
    ports: () => OwnPorts;
    version: string;
  },
): OperatorSide {
  const { config, clock, random, log, stores } = parts;
  // On the general pool: proving takes longer than a commit may, and must not wait for one.
  const books = new PostgresBooks(parts.database.general);
  const buckets = new BucketAuditor({ store: parts.redis?.store ?? NO_BUCKETS, books, clock });
  const auditor = createAuditor(stores.audits, buckets);
  const monitor = createAuditMonitor({ auditor, saleStore: stores.sales, clock, log });
  const { redis, durability } = parts;
  const reach = redis === null || durability === null ? null : { store: redis.store, durability };
  const ledgerView = new LedgerView({ books, redis: reach, database: parts.database.promise });
  const shownStock = createShownStock({ ledger: parts.ledger, stored: stores.postgres });
  const ops = createOps(parts, { ...outside, monitor, ledgerView, shownStock });
  if (!outside.hasOperatorApi) return { app: ops, monitor, rehearsals: null };
  const rehearsals = createRehearsals(parts, {
    readStock: (itemIds) => shownStock.readStock(itemIds),
    ...{ ports: outside.ports, version: outside.version },
  });
  const app = createOperatorApp({
    adminToken: config.adminToken,
    operators: operatorsOf(parts),
    saleStore: parts.sales,
    allowlists: stores.allowlists,
    orderStore: stores.orders,
    ledger: shownStock,
    ledgerView,
    statsStore: stores.stats,
    risk: { reports: stores.bans, model: parts.risk.model },
    auditor,
    modeHistory: createPostgresModeHistory(parts.database.general),
    recovery:
      redis === null
        ? null
        : new StreamRecovery({ store: redis.store, books, orders: stores.orders, clock, random, log }),
    clock,
    random,
    log,
    warmUp: async () => {
      await parts.catalogue.refresh();
      await stores.postgres.warmUp(parts.database.ledgerConnections);
    },
    ops,
    pages: outside.pages,
    exchange: parts.edge?.exchange ?? null,
    webhooks: outside.webhooks,
    rehearsals,
  });
  return { app, monitor, rehearsals };
}

/** Null where none is configured; the configuration's check has seen to it that it is all there or nothing. */
function identityProviderOf({ oidcIssuer, oidcClientId, oidcClientSecret }: Config): IdentityProvider | null {
  if (oidcIssuer === null || oidcClientId === null || oidcClientSecret === null) return null;
  return new OpenidProvider({ issuer: oidcIssuer, clientId: oidcClientId, clientSecret: oidcClientSecret });
}

/** People who sign in. Cookies are for the address they see; the identity provider sends them back to it. */
function operatorsOf({ config, keys, stores }: ProcessParts): OperatorsParts {
  return {
    people: stores.people,
    operatorLog: stores.operatorLog,
    approvals: stores.approvals,
    sealKeys: { current: keys.operatorSeal, previous: keys.previous?.operatorSeal ?? null },
    provider: identityProviderOf(config),
    ownOrigin: config.adminUrl === null ? null : new URL(config.adminUrl).origin,
  };
}

function createOps(
  parts: ProcessParts,
  outside: {
    buyers: BuyerSide | null;
    isDraining: () => boolean;
    monitor: AuditMonitor;
    ledgerView: LedgerView;
    shownStock: Pick<Ledger, "readStock">;
  },
): OpsApp {
  const { clock, log, stores, counters, catalogue, database } = parts;
  const { buyers, monitor } = outside;
  const checks: ReadinessCheck[] = [
    { name: "migrations", run: () => missingSchema(database.general) },
    {
      name: "catalogue",
      run: async () => (catalogue.ageMs() <= CATALOGUE_AGE_MS_MAX ? null : "the catalogue is not fresh"),
    },
    createLedgerCheck({ sales: catalogue, durability: parts.durability, database: database.promise }),
  ];
  if (buyers !== null) {
    checks.push({ name: "funnel", run: async () => buyers.funnel.readiness() });
  }
  const metrics = createMetrics({
    counts: counters,
    saleStore: stores.sales,
    ledger: outside.shownStock,
    backlog: () => buyers?.funnel.inFlight() ?? 0,
    eventLoopDelayMs: () => buyers?.funnel.eventLoopDelayMs() ?? 0,
    eventLoopDelayMsP99: () => buyers?.funnel.eventLoopDelayMsP99() ?? 0,
    attemptsMax: () => buyers?.funnel.attemptsMax() ?? 0,
    throttled: () => buyers?.throttled() ?? [],
    risk: () => parts.risk.engine.report(),
    sseConnections: () => buyers?.hub.connections() ?? 0,
    lastAudits: () => monitor.lastReports(),
    lastPlaces: () => monitor.lastPlaces(),
    ledgerView: outside.ledgerView,
    edge: parts.edge?.state ?? null,
    promises: () => ({ redis: parts.durability, postgres: database.promise() }),
    clock,
    log,
  });
  return createOpsApp({ checks, isDraining: outside.isDraining, metrics, clock, log });
}
