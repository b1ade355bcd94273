/**
 * Port: the ledger, the only one who decides about stock while a sale runs.
 *
 * Promises. A batch is atomic: either every acceptance in the answer is durable, or the call throws and nothing is known
 * (LEDGER_UNAVAILABLE: resend the same rids, never compensate); a ledger that splits a batch says for which attempts it
 * knows nothing. A rid that was accepted once is answered the same way for ever, before window, limit and stock are
 * looked at. Units move, they are never copied: P1, U1, U2, E1, S1–S4 of docs/spec/ledger.md.
 *
 * Does not promise fairness inside a batch beyond its order, nor an answer in time: the batcher owns deadlines. The
 * adapter owns its connections. LEDGER_FENCED means that the epoch of the batch is not the sale's: refresh, resend.
 */
import type { Fault } from "../domain/faults.ts";
import type { BuyerId, Rid, SaleId } from "../domain/ids.ts";
import type { RefusalReason } from "../domain/refusals.ts";
import type { ReservationStatus } from "../domain/reservation.ts";

/** One request for units. */
export interface Attempt {
  readonly rid: Rid;
  readonly buyerId: BuyerId;
  readonly quantity: number;
}

/** Attempts on one item. Rids and buyers are each unique within a batch; the batcher sees to it. */
export interface ReserveBatch {
  readonly saleId: SaleId;
  readonly itemId: number;
  readonly epoch: number;
  readonly attempts: readonly Attempt[];
}

export type LedgerRefusal = Extract<
  RefusalReason,
  "empty" | "sold_out" | "limit_reached" | "bad_quantity" | "key_reused" | "ended" | "not_open" | "paused" | "closed"
>;

export type AttemptOutcome =
  | {
      readonly kind: "accepted";
      readonly status: ReservationStatus;
      /** Milliseconds since the epoch. */
      readonly holdUntil: number;
      /** True when the rid was accepted by an earlier call. */
      readonly replayed: boolean;
      /**
       * Only with "queued": how it stands in Postgres as soon as that is known, null when waiting any longer is not worth
       * it. Never rejects. Shared by all attempts that were accepted together.
       */
      readonly confirmation?: Promise<Confirmation | null>;
    }
  | {
      readonly kind: "refused";
      readonly reason: LedgerRefusal;
      /**
       * Only with "empty", and only above 0: less than was asked for, and what he could have had in the instant of the answer.
       * Absent says nothing: of several buckets others may have units that this buyer's has not.
       */
      readonly left?: number;
    };

/** What Postgres says about an acceptance that was queued. */
export interface Confirmation {
  readonly status: ReservationStatus;
  readonly holdUntil: number;
}

/** A reservation that a ledger accepted and Postgres does not have yet. */
export interface QueuedReservation extends Attempt {
  readonly saleId: SaleId;
  readonly itemId: number;
  readonly acceptedAtMs: number;
  readonly holdUntil: number;
}

/** The stock of an item at the end of a transaction. `total = free + granted + held + sold`, always. */
export interface Stock {
  readonly itemId: number;
  readonly total: number;
  readonly free: number;
  readonly granted: number;
  readonly held: number;
  readonly sold: number;
  /** Grows whenever units come back or are added, never otherwise: the latch compares it. */
  readonly version: number;
  /** How many reservations the item's current epoch has accepted, those not yet committed included. */
  readonly seq: number;
  readonly epoch: number;
}

/** Others of the batch have their answer, this attempt has none: it may be accepted or not. Ask again, same rid. */
export interface UnknownOutcome {
  readonly kind: "unknown";
  readonly fault: Fault;
}

export interface BatchOutcome {
  /** In the order of the attempts. */
  readonly outcomes: readonly (AttemptOutcome | UnknownOutcome)[];
  /** Null: the answer says nothing certain about the whole item's stock; ask `readStock`. */
  readonly stock: Stock | null;
}

/** A buyer who ever had a reservation of an item, as the latch needs to know. */
export interface HoldersPage {
  readonly buyerIds: readonly string[];
  /** Pass back to read on; unchanged when there was nothing new. */
  readonly cursor: string;
}

export interface Ledger {
  reserve(batch: ReserveBatch): Promise<BatchOutcome>;

  /** The stock rows of the items, read from the primary, in no particular order. */
  readStock(itemIds: readonly number[]): Promise<readonly Stock[]>;

  /**
   * Buyers with a reservation of the item, of any status, beyond the cursor ("" = from the start). Complete up to the
   * `seq` of any stock that was read before the call.
   */
  readHolders(request: { itemId: number; cursor: string; rowsMax: number }): Promise<HoldersPage>;

  /** The buyer's reservation that is accepted but not yet in Postgres; null when there is none. */
  findQueued(request: { rid: Rid; buyerId: BuyerId }): Promise<QueuedReservation | null>;

  /**
   * While the ledger owes answers for longer than it should: how many units of the item are certain to be this node's
   * all the same, so that no more attempts than that are kept waiting. Null, or no such method: no reason to turn away.
   */
  certainUnits?(itemId: number): number | null;
}
