/**
 * Opens the database a configuration asks for, brings its schema up to date, and puts the stores on it.
 *
 * On PostgreSQL the hot transaction has a pool of its own, so that an export or an operator's page can never keep buyers
 * waiting for a connection. The embedded database has one session, which all share; the hot transaction goes first.
 */
import { prepareSandbox } from "../adapters/payment-sandbox/prepare.ts";
import { openPgliteDatabase } from "../adapters/pglite/pglite-database.ts";
import { createPostgresDatabase } from "../adapters/postgres/database.ts";
import { PostgresDurability } from "../adapters/postgres/durability.ts";
import { migrate, pendingMigrations, readMigrations } from "../adapters/postgres/migrate.ts";
import { PostgresAllowlistStore } from "../adapters/postgres/postgres-allowlist-store.ts";
import { PostgresApprovalStore } from "../adapters/postgres/postgres-approval-store.ts";
import { createPostgresAuditStore } from "../adapters/postgres/postgres-audit-store.ts";
import { PostgresBanStore } from "../adapters/postgres/postgres-ban-store.ts";
import { PostgresEventLog } from "../adapters/postgres/postgres-event-log.ts";
import { PostgresLedger } from "../adapters/postgres/postgres-ledger.ts";
import { PostgresOperatorLog } from "../adapters/postgres/postgres-operator-log.ts";
import { PostgresOperatorStore } from "../adapters/postgres/postgres-operator-store.ts";
import { PostgresOrderStore } from "../adapters/postgres/postgres-order-store.ts";
import { PostgresSaleStore } from "../adapters/postgres/postgres-sale-store.ts";
import { createPostgresStatsStore } from "../adapters/postgres/postgres-stats-store.ts";
import type { Settings } from "../config/load.ts";
import type { DatabasePromise } from "../ledger/ledger-view.ts";
import type { AllowlistStore } from "../ports/allowlist-store.ts";
import type { ApprovalStore } from "../ports/approval-store.ts";
import type { AuditStore } from "../ports/audit-store.ts";
import type { BanStore } from "../ports/ban-store.ts";
import type { Database } from "../ports/database.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { OperatorLog } from "../ports/operator-log.ts";
import type { OperatorStore } from "../ports/operator-store.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { SaleStore } from "../ports/sale-store.ts";
import type { StatsStore } from "../ports/stats-store.ts";
import type { Log } from "../ports/telemetry.ts";

/** A batch that was not answered by then counts as unknown and is sent again. */
const LEDGER_ANSWER_MS_MAX = 2_500;
/** Everything else: pages of orders, an operator's change, an audit of a large sale. */
const ANSWER_MS_MAX = 30_000;
/** The share of a node's connections that is kept for the hot transaction. */
const LEDGER_CONNECTIONS_FRACTION = 0.4;

/** The open database. */
export interface OpenDatabase {
  readonly ledger: Database;
  readonly general: Database;
  /** Connections that the hot transaction may use at once. */
  readonly ledgerConnections: number;
  /** What a confirmed order survives; asked whenever somebody looks. */
  promise(): DatabasePromise;
  close(): Promise<void>;
}

/** Everything that remembers. */
export interface Stores {
  readonly postgres: PostgresLedger;
  readonly sales: SaleStore;
  readonly bans: BanStore;
  readonly allowlists: AllowlistStore;
  readonly orders: OrderStore;
  readonly events: EventLog;
  readonly stats: StatsStore;
  readonly audits: AuditStore;
  readonly people: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly approvals: ApprovalStore;
}

/** Opens the database without touching its schema. Throws the database's faults. */
export async function openDatabase(settings: Settings, log: Log): Promise<OpenDatabase> {
  if (settings.databaseUrl === null) {
    const database = await openPgliteDatabase({ directory: settings.dataDir, answerTimeoutMs: ANSWER_MS_MAX, log });
    const promise = (): DatabasePromise => ({ kind: "embedded", weakness: null, isAccepted: true });
    return { ledger: database.hot, general: database, ledgerConnections: 1, promise, close: () => database.close() };
  }
  const url = settings.databaseUrl;
  const durability = new PostgresDurability({ accepted: settings.ledgerDurability, log });
  const ledgerConnections = Math.max(1, Math.floor(settings.databasePoolMax * LEDGER_CONNECTIONS_FRACTION));
  const ledger = createPostgresDatabase({
    url,
    connectionsMax: ledgerConnections,
    answerTimeoutMs: LEDGER_ANSWER_MS_MAX,
    applicationName: "doorbuster ledger",
    durability,
    log,
  });
  const general = createPostgresDatabase({
    url,
    connectionsMax: Math.max(1, settings.databasePoolMax - ledgerConnections),
    answerTimeoutMs: ANSWER_MS_MAX,
    applicationName: "doorbuster",
    durability,
    log,
  });
  return {
    ledger,
    general,
    ledgerConnections,
    promise: () => ({ kind: "server", weakness: durability.weakness, isAccepted: durability.isAccepted }),
    close: async () => {
      await Promise.all([ledger.close(), general.close()]);
    },
  };
}

/** Applies what the schema lacks, the sandbox provider's included; answers the names of what was applied. */
export async function prepareSchema(database: Database): Promise<readonly string[]> {
  const applied = await migrate(database, await readMigrations());
  await prepareSandbox(database);
  return applied;
}

/** What the schema still lacks, in words for the operator; null when nothing. */
export async function missingSchema(database: Database): Promise<string | null> {
  const pending = await pendingMigrations(database, await readMigrations());
  return pending.length === 0 ? null : `migrations are missing: ${pending.join(", ")}; run doorbuster migrate`;
}

/** The stores on an open database. */
export function createStores(database: OpenDatabase): Stores {
  return {
    postgres: new PostgresLedger(database.ledger),
    sales: new PostgresSaleStore(database.general),
    bans: new PostgresBanStore(database.general),
    allowlists: new PostgresAllowlistStore(database.general),
    orders: new PostgresOrderStore(database.general),
    events: new PostgresEventLog(database.general),
    stats: createPostgresStatsStore(database.general),
    audits: createPostgresAuditStore(database.general),
    people: new PostgresOperatorStore(database.general),
    operatorLog: new PostgresOperatorLog(database.general),
    approvals: new PostgresApprovalStore(database.general),
  };
}
