/**
 * Port: the addresses of the shop that are told about reservations, and how far each has been told.
 *
 * Promises: an address starts at the present end of the event log and moves on only by `advance`, so nothing is left out
 * while it is slow or away, for as long as the log keeps its events. One process at a time delivers to an address: a
 * claim ends by itself, and whoever lost one cannot move the address on. Instants are the database's.
 */
import type { EventCursor } from "./event-log.ts";

/** An address as operators see it. */
export interface WebhookEndpoint {
  readonly id: string;
  readonly url: string;
  readonly createdAt: number;
  /** Messages that failed since the last one that was taken. */
  readonly failuresInRow: number;
  /** Why the last one failed; null when it was taken. */
  readonly lastFailure: string | null;
  /** When a message was last taken; null = never. */
  readonly deliveredAt: number | null;
}

/** An address that is this process's to deliver to, for a while. */
export interface ClaimedEndpoint {
  readonly id: string;
  readonly url: string;
  readonly cursor: EventCursor;
  readonly failuresInRow: number;
}

/** Who holds a claim on which address. */
export interface WebhookClaim {
  readonly id: string;
  readonly claimant: string;
}

export interface WebhookStore {
  /** Null when there are `endpointsMax` already. */
  createEndpoint(request: { id: string; url: string; endpointsMax: number }): Promise<WebhookEndpoint | null>;
  listEndpoints(): Promise<readonly WebhookEndpoint[]>;
  /** False when there is none of that id. */
  deleteEndpoint(id: string): Promise<boolean>;
  /** An address that is due and nobody's, or null. */
  claim(request: { claimant: string; claimMs: number }): Promise<ClaimedEndpoint | null>;
  /** The event at the cursor was taken; the claim goes on. False when the claim is lost. */
  advance(claim: WebhookClaim & { cursor: EventCursor; claimMs: number }): Promise<boolean>;
  /** Gives the claim back. `failure` null = there is nothing more to tell now. The address is due again after `dueInMs`. */
  release(claim: WebhookClaim & { failure: string | null; dueInMs: number }): Promise<void>;
}
