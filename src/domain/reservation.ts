/**
 * The life of a reservation as an exhaustive table: every status × every event is written down.
 *
 * The same moves are made by SQL in adapters/postgres; the conformance suite walks this table against the database, so
 * the two cannot drift. Which units move with a transition is in the ledger's specification (docs/spec/ledger.md).
 */

export const RESERVATION_STATUSES = [
  "queued",
  "held",
  "expiring",
  "paid",
  "expired",
  "cancelled",
  "void",
  "lost",
  "refund_due",
  "refunded",
] as const;
export type ReservationStatus = (typeof RESERVATION_STATUSES)[number];

export const RESERVATION_EVENTS = [
  "committed",
  "hold_passed",
  "cancel_requested",
  "provider_cancelled",
  "cancel_completed",
  "paid",
  "paid_without_stock",
  "paid_wrong_amount",
  "refund_completed",
  "voided",
  "loss_detected",
] as const;
export type ReservationEvent = (typeof RESERVATION_EVENTS)[number];

/** `null` means: nothing changes; the event is a duplicate, late, or of no consequence in that status. */
type Row = Record<ReservationEvent, ReservationStatus | null>;

const NOTHING: Row = {
  committed: null,
  hold_passed: null,
  cancel_requested: null,
  provider_cancelled: null,
  cancel_completed: null,
  paid: null,
  paid_without_stock: null,
  paid_wrong_amount: null,
  refund_completed: null,
  voided: null,
  loss_detected: null,
};

const OPEN: Row = {
  ...NOTHING,
  hold_passed: "expiring",
  cancel_requested: "expiring",
  paid: "paid",
  paid_wrong_amount: "refund_due",
};

/** A reservation that ended without money; money that comes late re-acquires units or goes back. */
const ENDED: Row = { ...NOTHING, paid: "paid", paid_without_stock: "refund_due", paid_wrong_amount: "refund_due" };

export const TRANSITIONS: Record<ReservationStatus, Row> = {
  queued: { ...NOTHING, committed: "held", voided: "void", loss_detected: "lost" },
  held: OPEN,
  expiring: {
    ...OPEN,
    hold_passed: null,
    cancel_requested: null,
    provider_cancelled: "expired",
    cancel_completed: "cancelled",
  },
  paid: NOTHING,
  expired: ENDED,
  cancelled: ENDED,
  void: NOTHING,
  lost: NOTHING,
  refund_due: { ...NOTHING, refund_completed: "refunded" },
  refunded: NOTHING,
};

/** The status after an event, or null when the event changes nothing. */
export function nextStatus(status: ReservationStatus, event: ReservationEvent): ReservationStatus | null {
  return TRANSITIONS[status][event];
}

/** True while the reservation's units belong to its buyer. */
export function isActive(status: ReservationStatus): boolean {
  return status === "queued" || status === "held" || status === "expiring" || status === "paid";
}

/** A reservation as its owner sees it. Times in milliseconds since the epoch. */
export interface Reservation {
  readonly rid: string;
  readonly saleId: string;
  readonly sku: string;
  readonly quantity: number;
  readonly status: ReservationStatus;
  readonly holdUntil: number;
  readonly reason?: string;
  readonly amount: { readonly amount: number; readonly currency: string };
  readonly createdAt: number;
  readonly updatedAt: number;
}
