/**
 * Port: a payment provider with hosted checkout (the shape of Stripe, Adyen, Mollie).
 *
 * Promises: `createCheckout` is idempotent by key; `cancel` is the arbiter between expiry and money: after "cancelled"
 * the payment can never succeed, after "succeeded" it can never be cancelled. Every other answer, and every
 * exception (PROVIDER_UNAVAILABLE), means unknown: the caller releases nothing and asks again later.
 *
 * Does not know stock or orders. Retries, timeouts and the breaker are wrapped around it by orders/.
 */
import type { Money } from "../domain/money.ts";

export interface CheckoutRequest {
  readonly idempotencyKey: string;
  readonly rid: string;
  readonly description: string;
  readonly amount: Money;
  /** Provider-side expiry, milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Where the hosted page sends the buyer afterwards. */
  readonly returnUrl: string;
}

export interface Checkout {
  readonly paymentId: string;
  readonly checkoutUrl: string;
}

export type PaymentStatus = "open" | "processing" | "succeeded" | "failed" | "cancelled" | "refunded";

export interface Payment {
  readonly paymentId: string;
  readonly status: PaymentStatus;
  readonly amount: Money;
}

/** A notification whose signature was good. Only its payment id is believed; the object is read again. */
export interface Notification {
  readonly notificationId: string;
  readonly paymentId: string;
}

export interface PaymentProvider {
  /** Names the provider in webhook paths and in the store: `^[a-z]{1,16}$`. */
  readonly name: string;
  createCheckout(request: CheckoutRequest): Promise<Checkout>;
  /** Null when the provider knows no such payment. */
  retrieve(paymentId: string): Promise<Payment | null>;
  cancel(paymentId: string): Promise<"cancelled" | "succeeded" | "processing">;
  /** Idempotent by key. Resolves once the money is on its way back. */
  refund(request: { paymentId: string; amount: Money; idempotencyKey: string }): Promise<void>;
  /** Checks the signature over the raw body; throws NOTIFICATION_FORGED. */
  verifyNotification(request: { body: string; headers: Readonly<Record<string, string>> }): Notification;
}
