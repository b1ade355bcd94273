/**
 * Tells the shop's addresses about reservations: one message for each event of the log, in its order, at least once.
 *
 * Works like the push hub: the event says that something changed, the message says how it stands now. An address that
 * does not take a message keeps its place and is tried again, ever more seldom; others are not kept waiting. Messages are
 * signed as Standard Webhooks asks (https://www.standardwebhooks.com), with a secret that follows from the deployment's
 * own and the address's id; while the deployment's is being changed, with both. An event's id follows from its place in
 * the log, so a repeat has the same one.
 */
import { createHash, createHmac } from "node:crypto";
import { createLoop, type Loop } from "../orders/loop.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLog, LoggedEvent } from "../ports/event-log.ts";
import type { Order, OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import type { WebhookSender } from "../ports/webhook-sender.ts";
import type { ClaimedEndpoint, WebhookStore } from "../ports/webhook-store.ts";

const INTERVAL_MS = 500;
/** Longer than the slowest message: a claim that runs out under a message lets another process repeat it. */
const CLAIM_MS = 20_000;
const EVENTS_PER_TURN_MAX = 50;
/** Reservations of one event beyond this many come in further messages. */
const RESERVATIONS_PER_MESSAGE_MAX = 100;
/** Addresses of one pass. */
const ENDPOINTS_PER_PASS_MAX = 16;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 15 * 60_000;
const DOUBLINGS_MAX = 20;
const EVENT_ID_LENGTH = 22;
const MS_PER_S = 1_000;
const SECRET_PREFIX = "whsec_";

/** Makes the keys of an address's messages, 32 bytes each: today's first, then those that shops may still check with. */
export type WebhookKeys = (endpointId: string) => readonly Uint8Array[];

/** The secret of an address as the shop is told it. */
export function shownSecret(key: Uint8Array): string {
  return `${SECRET_PREFIX}${Buffer.from(key).toString("base64")}`;
}

export interface WebhookCourierParts {
  readonly store: WebhookStore;
  readonly sender: WebhookSender;
  readonly events: Pick<EventLog, "read">;
  readonly orders: Pick<OrderStore, "listOrdersByRid">;
  readonly keys: WebhookKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The loop of a worker; nothing runs until `start`. */
export function createWebhookCourier(parts: WebhookCourierParts): Loop {
  const { clock, random, log, store } = parts;
  const claimant = random.id();
  return createLoop({
    name: "webhooks",
    clock,
    random,
    log,
    intervalMs: INTERVAL_MS,
    async run(isStopping) {
      for (let count = 0; count < ENDPOINTS_PER_PASS_MAX && !isStopping(); count += 1) {
        const endpoint = await store.claim({ claimant, claimMs: CLAIM_MS });
        if (endpoint === null) return;
        await serve(parts, { endpoint, claimant, isStopping });
      }
    },
  });
}

interface Turn {
  readonly endpoint: ClaimedEndpoint;
  readonly claimant: string;
  readonly isStopping: () => boolean;
}

/** Tells one address what is new. */
async function serve(parts: WebhookCourierParts, turn: Turn): Promise<void> {
  const { store, events } = parts;
  const claim = { id: turn.endpoint.id, claimant: turn.claimant };
  const fresh = await events.read({ after: turn.endpoint.cursor, rowsMax: EVENTS_PER_TURN_MAX });
  for (const event of fresh) {
    if (turn.isStopping()) break;
    const failure = await tell(parts, turn.endpoint, event);
    if (failure !== null) {
      parts.log.warn({ endpointId: claim.id, why: failure }, "the shop did not take a message; it is repeated");
      await store.release({ ...claim, failure, dueInMs: retryDelayMs(turn.endpoint.failuresInRow, parts.random) });
      return;
    }
    if (!(await store.advance({ ...claim, cursor: event.cursor, claimMs: CLAIM_MS }))) return;
  }
  const hasMore = fresh.length === EVENTS_PER_TURN_MAX;
  await store.release({ ...claim, failure: null, dueInMs: hasMore ? 0 : INTERVAL_MS });
}

/** All messages of one event; null when every one was taken. */
async function tell(parts: WebhookCourierParts, endpoint: ClaimedEndpoint, event: LoggedEvent): Promise<string | null> {
  const keys = parts.keys(endpoint.id);
  for (let start = 0; start < event.rids.length; start += RESERVATIONS_PER_MESSAGE_MAX) {
    const rids = event.rids.slice(start, start + RESERVATIONS_PER_MESSAGE_MAX);
    const orders = await parts.orders.listOrdersByRid(rids);
    const place = `${endpoint.id}.${event.cursor.transaction}.${event.cursor.row}.${start}`;
    const id = `evt_${createHash("sha256").update(place).digest("base64url").slice(0, EVENT_ID_LENGTH)}`;
    const nowMs = parts.clock.nowMs();
    const body = JSON.stringify({
      type: `reservations.${event.kind}`,
      timestamp: new Date(nowMs).toISOString(),
      data: { reservations: orders.map(toDocument) },
    });
    const headers = signed({ keys, id, nowMs, body });
    const delivery = await parts.sender.send({ url: endpoint.url, headers, body });
    if (delivery.kind === "failed") return delivery.why;
  }
  return null;
}

function signed(message: { keys: readonly Uint8Array[]; id: string; nowMs: number; body: string }) {
  const { keys, id, nowMs, body } = message;
  const timestamp = String(Math.floor(nowMs / MS_PER_S));
  const text = `${id}.${timestamp}.${body}`;
  const signatures = keys.map((key) => `v1,${createHmac("sha256", key).update(text).digest("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

/** A reservation as the shop may see it: what the buyer sees, and whose it is. */
function toDocument(order: Order): Record<string, unknown> {
  const { rid, saleId, sku, quantity, status, buyerId, amount, holdUntil, createdAt, updatedAt } = order;
  return { rid, saleId, sku, quantity, status, buyerId, amount, holdUntil, createdAt, updatedAt };
}

function retryDelayMs(failuresInRow: number, random: Random): number {
  const delayMs = Math.min(RETRY_MS_MIN * 2 ** Math.min(failuresInRow, DOUBLINGS_MAX), RETRY_MS_MAX);
  return Math.round(delayMs * (0.5 + random.fraction()));
}
