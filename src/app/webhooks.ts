/**
 * The shop's webhooks of a process: the store, the sender and their keys for operators, the courier for workers.
 */
import { hkdfSync } from "node:crypto";
import { PostgresWebhookStore } from "../adapters/postgres/postgres-webhook-store.ts";
import { createWebhookSender } from "../adapters/webhook-http/webhook-sender.ts";
import type { OperatorDependencies } from "../http/operator/dependencies.ts";
import type { Loop } from "../orders/loop.ts";
import { createWebhookCourier, shownSecret, type WebhookKeys } from "../push/webhook-courier.ts";
import type { ProcessParts } from "./process-parts.ts";

const KEY_BYTES = 32;
const KEY_PURPOSE = "doorbuster/webhook/v1|";

export interface Webhooks {
  readonly forOperators: NonNullable<OperatorDependencies["webhooks"]>;
  /** Runs on workers. */
  readonly courier: Loop;
}

/** Builds both; nothing runs until the courier is started. */
export function createWebhooks(parts: ProcessParts): Webhooks {
  const { config, clock, random, log, stores, database } = parts;
  const store = new PostgresWebhookStore(database.general);
  const sender = createWebhookSender({ networks: config.webhookNetworks, clock, log });
  const keyOf = (secret: string, endpointId: string): Uint8Array =>
    new Uint8Array(hkdfSync("sha256", secret, "", `${KEY_PURPOSE}${endpointId}`, KEY_BYTES));
  const secrets = [config.secret, ...(config.secretPrevious === null ? [] : [config.secretPrevious])];
  const keys: WebhookKeys = (endpointId) => secrets.map((secret) => keyOf(secret, endpointId));
  const { events, orders } = stores;
  return {
    forOperators: { store, sender, secretOf: (endpointId) => shownSecret(keyOf(config.secret, endpointId)) },
    courier: createWebhookCourier({ store, sender, events, orders, keys, clock, random, log }),
  };
}
