/**
 * Puts payments together: the provider behind its resilience, checkout, settlement and the sweeper.
 *
 * Which provider it is, is decided here and nowhere else. The sandbox is the only one yet.
 */
import type { Hono } from "hono";
import { createPaymentSandbox } from "../adapters/payment-sandbox/sandbox.ts";
import { SANDBOX_NAME } from "../adapters/payment-sandbox/sandbox-provider.ts";
import type { Config } from "../config/load.ts";
import { type CheckoutService, createCheckoutService } from "../orders/checkout.ts";
import { createResilientProvider } from "../orders/resilient-provider.ts";
import { createSettlement, type SettlementService } from "../orders/settlement.ts";
import { createSweeper } from "../orders/sweeper.ts";
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

export interface PaymentParts {
  readonly config: Config;
  readonly database: Database;
  readonly orders: OrderStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Runs before units of holds that ran out are on sale again. */
  readonly beforeUnitsReturn: () => Promise<void>;
}

export interface Payments {
  readonly checkout: CheckoutService;
  readonly settlement: SettlementService;
  /** The provider's own pages, where it is the sandbox. */
  readonly pages: Hono;
  /** Starts ending holds, refunding, and delivering the sandbox's notifications to the node at `baseUrl`. */
  startWork(baseUrl: string): void;
  /** Resolves when the running pass is over. */
  stop(): Promise<void>;
}

/** Builds payments; nothing runs until `startWork`. */
export function createPayments(parts: PaymentParts): Payments {
  const { config, database, orders, clock, random, log } = parts;
  const sandbox = createPaymentSandbox({
    database,
    clock,
    random,
    log,
    secret: config.secret,
    controlToken: config.adminToken,
  });
  const provider = createResilientProvider({ provider: sandbox.provider, clock, random, log });
  const settlement = createSettlement({ orders, provider, log });
  const { beforeUnitsReturn } = parts;
  const sweeper = createSweeper({ orders, provider, settlement, clock, random, log, beforeUnitsReturn });
  return {
    checkout: createCheckoutService({ orders, provider, settlement, clock, log }),
    settlement,
    pages: sandbox.app,
    startWork(baseUrl) {
      sandbox.start(`${baseUrl}/v1/webhooks/payments/${SANDBOX_NAME}`);
      sweeper.start();
    },
    async stop() {
      await Promise.all([sweeper.stop(), sandbox.stop()]);
    },
  };
}
