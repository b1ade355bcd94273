/**
 * What the sandbox provider knows about a payment, and what a test or the checkout page may ask of it.
 *
 *     open ──pay──► succeeded ──refund──► refunded          processing ──money arrives──► succeeded
 *      │ ├─decline─► failed (may be paid again)                   │
 *      │ └─pay late─► processing ─────────────────────────────────┤
 *      └──expiry or cancel──► cancelled ◄──cancel, if it stops────┘
 *
 * After a cancellation was answered "cancelled" a payment never succeeds, and after "succeeded" it is never cancelled.
 * `captured_anyway` is the one deliberate exception: it exists to prove that late money is not lost.
 */
import type { PaymentStatus } from "../../ports/payment-provider.ts";

/** A day: longer than any hold, short enough that nothing is forgotten in the tables. */
export const DELAY_MS_MAX = 24 * 3_600_000;
export const NOTIFY_COPIES_MAX = 10;

/**
 * What cancelling does to money on its way: `stops` it; is answered "processing" until it has arrived; or is answered
 * "cancelled" and the money comes all the same, which no real provider may do.
 */
export const CANCEL_RULES = ["stops", "answers_processing", "captured_anyway"] as const;
export type CancelRule = (typeof CANCEL_RULES)[number];

/** How the notifications of a payment travel. */
export interface NotifyOptions {
  /** Each notification is first sent this long after its event. */
  readonly delayMs: number;
  /** How often each is delivered successfully. */
  readonly copies: number;
  /** A payment that succeeds is announced as succeeded first, as processing afterwards. */
  readonly reversed: boolean;
}

export const NOTIFY_AT_ONCE: NotifyOptions = { delayMs: 0, copies: 1, reversed: false };

export interface SandboxPayment {
  readonly paymentId: string;
  readonly rid: string;
  readonly description: string;
  readonly amount: number;
  readonly currency: string;
  readonly returnUrl: string;
  /** Already "cancelled" for one that has expired. */
  readonly status: PaymentStatus;
  readonly capturedAmount: number | null;
  readonly capturesAt: number | null;
  readonly cancelRule: CancelRule;
  readonly expiresAt: number;
  readonly createdAt: number;
}
