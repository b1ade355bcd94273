/**
 * What the operator API needs from the rest of the node; the composition root fills it in.
 */
import type { Hono } from "hono";
import type { LimitExchange } from "../../funnel/4-throttle/limit-exchange.ts";
import type { RiskModel } from "../../funnel/6-admission/risk/risk-model.ts";
import type { Auditor } from "../../ledger/auditor.ts";
import type { LedgerView } from "../../ledger/ledger-view.ts";
import type { StreamRecovery } from "../../orders/stream-recovery.ts";
import type { AllowlistStore } from "../../ports/allowlist-store.ts";
import type { ApprovalStore } from "../../ports/approval-store.ts";
import type { BanStore } from "../../ports/ban-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { IdentityProvider } from "../../ports/identity-provider.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { ModeHistory } from "../../ports/mode-history.ts";
import type { OperatorLog } from "../../ports/operator-log.ts";
import type { OperatorStore } from "../../ports/operator-store.ts";
import type { OrderStore } from "../../ports/order-store.ts";
import type { Random } from "../../ports/random.ts";
import type { SaleStore } from "../../ports/sale-store.ts";
import type { StatsStore } from "../../ports/stats-store.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { WebhookSender } from "../../ports/webhook-sender.ts";
import type { WebhookStore } from "../../ports/webhook-store.ts";
import type { ConnectionContext } from "../listen/listener.ts";
import type { OpsApp } from "../ops/app.ts";
import type { Pages } from "../pages.ts";
import type { Actor, PersonActor } from "./actor.ts";
import type { Rehearsals } from "./rehearsals.ts";
import type { SealKeys } from "./seal.ts";

/** People who sign in, and what they are held to. */
export interface OperatorsParts {
  readonly people: OperatorStore;
  readonly operatorLog: OperatorLog;
  readonly approvals: ApprovalStore;
  readonly sealKeys: SealKeys;
  /** Null where none is configured. */
  readonly provider: IdentityProvider | null;
  /** What operators see in their address bar; null = whatever host they ask. */
  readonly ownOrigin: string | null;
}

export interface OperatorDependencies {
  readonly adminToken: string;
  readonly operators: OperatorsParts;
  readonly saleStore: SaleStore;
  readonly allowlists: Pick<AllowlistStore, "begin" | "addPart" | "publish" | "discard">;
  readonly orderStore: Pick<OrderStore, "listOrdersOfSale">;
  /** Only its stock is read. */
  readonly ledger: Pick<Ledger, "readStock">;
  readonly statsStore: StatsStore;
  /** What processes report of risk, and the model in force. */
  readonly risk: { readonly reports: Pick<BanStore, "readReports">; readonly model: RiskModel };
  /** How sales' ledgers stand; absent or null = not shown. */
  readonly ledgerView?: Pick<LedgerView, "read"> | null;
  readonly auditor: Auditor;
  readonly modeHistory: ModeHistory;
  /** Absent or null on a node without Redis. */
  readonly recovery?: Pick<StreamRecovery, "recover"> | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where nodes share an edge: how often somebody tried to sign in is counted over all of them. Absent or null = here. */
  readonly exchange?: Pick<LimitExchange, "createHash" | "join"> | null;
  /** The shop's addresses that are told about reservations; absent = this node knows nothing of them. */
  readonly webhooks?: {
    readonly store: Pick<WebhookStore, "createEndpoint" | "listEndpoints" | "deleteEndpoint">;
    readonly sender: Pick<WebhookSender, "findObjection">;
    /** What the shop checks an address's messages with. */
    secretOf(endpointId: string): string;
  };
  /** Of this deployment's capacity. */
  readonly rehearsals: Rehearsals;
  /** Makes this node ready for the sale's rush: catalogue loaded, holders read, connections open. */
  warmUp(): Promise<void>;
  /** Health, readiness and metrics (http/ops/app.ts), mounted at the root without the token. */
  readonly ops: OpsApp;
  /** The operator's console, at the root. Null where pages were not built. */
  readonly pages: Pages | null;
}

/** A request that somebody made and somebody else consented to. Never comes from a connection. */
export interface ApprovedCall {
  readonly actor: PersonActor;
  readonly approval: { readonly id: string; readonly by: { readonly id: string; readonly name: string } };
}

/** hono's view of the connection, and what the gate found out. */
export interface OperatorEnv {
  Bindings: ConnectionContext & { readonly approved?: ApprovedCall };
  /** Always there on a route that is not for anyone. */
  Variables: {
    actor: Actor;
    /** Set for people: whether the session that began an answer is still good, for answers that take long. */
    isStillIn?: () => Promise<boolean>;
  };
}

export type OperatorApp = Hono<OperatorEnv>;
