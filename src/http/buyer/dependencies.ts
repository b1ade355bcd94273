/**
 * What the buyer API needs from the rest of the node, each as narrow as its use, so that composition can hand in the real
 * thing and tests a fake of ten lines.
 *
 * Nothing here may be looked up globally: a handler that wants the time, an id or a store gets it from this record.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { Sale } from "../../domain/sale.ts";
import type { RouteGuard } from "../../funnel/1-shed/route-guard.ts";
import type { Authenticator } from "../../funnel/3-identity/authenticate.ts";
import type { Keys } from "../../funnel/3-identity/keys.ts";
import type { ShopLoginVerifier } from "../../funnel/3-identity/shop-login.ts";
import type { ClientAddress } from "../../funnel/4-throttle/client-address.ts";
import type { ThrottledSession } from "../../funnel/4-throttle/throttle.ts";
import type { DemandingGate } from "../../funnel/6-admission/challenge/demanding-gate.ts";
import type { RiskEngine } from "../../funnel/6-admission/risk/risk-engine.ts";
import type { PassDesk } from "../../funnel/pass-desk.ts";
import type { CheckoutService } from "../../orders/checkout.ts";
import type { BuyerOrders } from "../../orders/guarded-orders.ts";
import type { SettlementService } from "../../orders/settlement.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EdgeState } from "../../ports/edge-state.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";
import type { EventHub } from "../../push/hub.ts";
import type { CrossOriginPolicy } from "../cross-origin.ts";
import type { Pages } from "../pages.ts";

/** The node's own copy of the sales; never asks the store. */
export interface SaleCatalogue {
  /** Null when there is no such sale. Any text may be asked for. */
  findSale(saleId: string): Sale | null;
  /** Sales that matter now, in any order. */
  listSales(): readonly Sale[];
}

/** A request as the throttle sees it. */
export interface ThrottledRequest {
  readonly remoteAddress: string;
  header(name: string): string | null;
}

/** The part of the throttle that routes outside the funnel use; bans included. */
export interface RouteThrottle {
  /** Null when the request may go on. `session` null = there is none yet: the address alone counts. */
  admit(request: ThrottledRequest, session: ThrottledSession | null, saleId: SaleId | null): Refusal | null;
}

/** Why the node takes no work now, or null when it does. */
export type Readiness = () => "draining" | "busy" | null;

export interface BuyerAppDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly keys: Keys;
  readonly authenticator: Authenticator;
  readonly catalogue: SaleCatalogue;
  readonly ledger: Pick<Ledger, "readStock" | "findQueued">;
  /** Where nodes share the figures of public pages; absent or null = each reads its own. */
  readonly edge?: Pick<EdgeState, "readShared" | "writeShared"> | null;
  readonly orders: BuyerOrders;
  readonly checkout: CheckoutService;
  readonly settlement: Pick<SettlementService, "notified">;
  readonly events: Pick<EventHub, "open">;
  /** Whose address counts for a request; see client-address.ts. */
  readonly clientAddress: ClientAddress;
  /** Gives challenges out and takes solutions in, ahead of the attempt. */
  readonly challenges: Pick<DemandingGate, "giveAhead" | "clear" | "offers">;
  /** Gives passes out, before a sale opens. */
  readonly passes: Pick<PassDesk, "issue">;
  /** Looks at sessions that begin. */
  readonly risk: Pick<RiskEngine, "beginSession" | "refused">;
  /** Guards `POST /v1/sessions`. */
  readonly sessionThrottle: RouteThrottle;
  /**
   * Guards the routes that ask the database for one buyer. Not the funnel's: looking must not cost an attempt. Give it
   * no bans, so that a banned buyer still sees, pays or gives back what he won before.
   */
  readonly readThrottle: RouteThrottle;
  readonly readiness: Readiness;
  /** Turns requests away while the process cannot take them, the least important first. Absent or null = nobody. */
  readonly routeGuard?: Pick<RouteGuard, "run"> | null;
  readonly pages: Pages;
  /** Which other sites' pages may use the API. */
  readonly crossOrigin: CrossOriginPolicy;
  /** Null where the shop's own login is not configured. */
  readonly shopLogin: ShopLoginVerifier | null;
  readonly settings: BuyerAppSettings;
}

export interface BuyerAppSettings {
  readonly guestsAllowed: boolean;
  readonly sessionTtlMs: number;
  /**
   * How buyers reach this node from outside; asked when needed,
   * because a port may be known late. Never taken from a request's Host.
   */
  readonly publicUrl: () => string;
  /** The name of this deployment among several; null = it is alone. */
  readonly unit: string | null;
  /** The version in openapi.json. */
  readonly version: string;
}
