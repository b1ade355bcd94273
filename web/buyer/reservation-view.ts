/**
 * What a reservation in each status means for its buyer, in words; one row for every status there is.
 *
 * Money is the thing people fear for, so every ending says what happens to it. Which buttons a card has follows from
 * the row; drawing it is reservation-card.tsx's work.
 */
import type { ReservationStatus } from "../../client/contract.ts";

export interface ReservationView {
  readonly title: string;
  readonly text: string;
  readonly tone: "good" | "warn" | "bad" | "";
  /** Whether units are still the buyer's: only such a reservation counts against the limit. */
  readonly isOwned: boolean;
}

export const RESERVATION_VIEWS: Record<ReservationStatus, ReservationView> = {
  queued: {
    title: "Accepted",
    text: "It is yours. You can pay in a moment.",
    tone: "good",
    isOwned: true,
  },
  held: {
    title: "Reserved for you",
    text: "Nobody else can take it while the time runs.",
    tone: "good",
    isOwned: true,
  },
  expiring: {
    title: "The hold has ended",
    text: "We are asking the payment provider whether you paid in time. Do not pay again.",
    tone: "warn",
    isOwned: true,
  },
  paid: {
    title: "Paid ✓ It is yours",
    text: "Your payment has arrived. Nothing more to do.",
    tone: "good",
    isOwned: true,
  },
  expired: {
    title: "The time ran out",
    text: "It went back on sale. You were not charged.",
    tone: "warn",
    isOwned: false,
  },
  cancelled: { title: "Given back", text: "It went back on sale. You were not charged.", tone: "", isOwned: false },
  void: {
    title: "Not completed",
    text: "It could not be completed. You were not charged.",
    tone: "bad",
    isOwned: false,
  },
  lost: {
    title: "Lost by a fault of ours",
    text: "We are sorry: a server failed. You were not charged.",
    tone: "bad",
    isOwned: false,
  },
  refund_due: {
    title: "Your money is coming back",
    text: "A payment came too late or in the wrong amount. All of it goes back to you.",
    tone: "warn",
    isOwned: false,
  },
  refunded: { title: "Money sent back", text: "All of it was returned to you.", tone: "", isOwned: false },
};
