/**
 * Puts the sandbox provider together: books, provider, courier and pages over one database.
 *
 * Call `prepareSandbox` first. Mount `app` under SANDBOX_PATH, wrap `provider` in the resilience of orders/, and start the
 * courier once the address of the webhook is known: what was not delivered before a crash is delivered then.
 */
import type { Hono } from "hono";
import type { Clock } from "../../ports/clock.ts";
import type { Database } from "../../ports/database.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";
import { Courier } from "./courier.ts";
import { NotificationStore } from "./notification-store.ts";
import { createSandboxApp } from "./sandbox-app.ts";
import { createSandboxProvider, type SandboxProvider } from "./sandbox-provider.ts";
import { SandboxStore } from "./sandbox-store.ts";
import { createNotificationSigner } from "./signature.ts";

export interface PaymentSandboxOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The deployment's root secret; the key of the notifications is derived from it. */
  readonly secret: string;
  readonly controlToken: string;
}

export interface PaymentSandbox {
  readonly provider: SandboxProvider;
  /** The sub-app for SANDBOX_PATH. */
  readonly app: Hono;
  /** Starts delivering notifications to the address, for example `http://127.0.0.1:8080/v1/webhooks/payments/sandbox`. */
  start(notifyUrl: string): void;
  /** Resolves when the round under way is over. */
  stop(): Promise<void>;
}

/** Builds the sandbox; nothing runs until `start`. */
export function createPaymentSandbox(options: PaymentSandboxOptions): PaymentSandbox {
  const { database, clock, random, log } = options;
  const signer = createNotificationSigner(options.secret);
  const payments: SandboxStore = new SandboxStore(database, () => courier.wake());
  const notifications = new NotificationStore(database);
  const courier = new Courier({ payments, notifications, signer, clock, random, log });
  const provider = createSandboxProvider({ payments, signer, clock, random });
  return {
    provider,
    app: createSandboxApp({ payments, provider, clock, controlToken: options.controlToken }),
    start: (notifyUrl) => courier.start(notifyUrl),
    stop: () => courier.stop(),
  };
}
