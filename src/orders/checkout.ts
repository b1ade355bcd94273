/**
 * Checkout: opens a payment for a held order and ties the two together before the buyer learns the address.
 *
 * Order matters. The payment is attached before its URL leaves the server, so money can only arrive for a payment that
 * an order knows; when the hold ended in between, the payment is cancelled and was never shown to anybody. Everything
 * that is sent to the provider follows from the order alone, because providers refuse an idempotency key whose
 * parameters changed. Ending holds is the sweeper's work, moving units is the order store's.
 */
import { parseRid } from "../domain/ids.ts";
import type { Refusal } from "../domain/refusals.ts";
import type { Clock } from "../ports/clock.ts";
import type { Order, OrderStore } from "../ports/order-store.ts";
import type { Checkout, PaymentProvider } from "../ports/payment-provider.ts";
import type { Log } from "../ports/telemetry.ts";
import type { SettlementService } from "./settlement.ts";

/** How long before the end of the hold the provider stops taking money, for holds long enough to afford it. */
export const PAYMENT_MARGIN_MS_MAX = 60_000;
/** The part of a short hold that is kept as margin instead. */
const PAYMENT_MARGIN_FRACTION_MAX = 0.2;
const DESCRIPTION_LENGTH_MAX = 200;

export type CheckoutOutcome =
  | ({ readonly kind: "created" } & Checkout)
  | { readonly kind: "refused"; readonly refusal: Refusal };

export interface CheckoutService {
  /**
   * The hosted checkout of a held order; the same order always gets the same payment. Refused as `ended` when the order
   * is not held or its payment window is over. Throws PROVIDER_UNAVAILABLE, and faults of the store: ask again.
   */
  checkout(order: Order, returnUrl: string): Promise<CheckoutOutcome>;
}

export interface CheckoutDependencies {
  readonly orders: OrderStore;
  readonly provider: PaymentProvider;
  readonly settlement: SettlementService;
  readonly clock: Clock;
  readonly log: Log;
}

/** When the provider stops taking money for an order: 60 s before the hold ends, less for short holds. */
export function paymentExpiresAt(order: { createdAt: number; holdUntil: number }): number {
  const holdMs = Math.max(0, order.holdUntil - order.createdAt);
  const marginMs = Math.min(PAYMENT_MARGIN_MS_MAX, Math.floor(holdMs * PAYMENT_MARGIN_FRACTION_MAX));
  return order.holdUntil - marginMs;
}

/** Builds the checkout service over one provider. */
export function createCheckoutService(dependencies: CheckoutDependencies): CheckoutService {
  const { orders, provider, clock } = dependencies;

  return {
    async checkout(order, returnUrl) {
      const rid = parseRid(order.rid);
      if (rid === null || order.status !== "held") return ended("The reservation is not waiting for a payment.");
      const expiresAt = paymentExpiresAt(order);
      if (clock.nowMs() >= expiresAt) return ended("The time to start a payment is over.");

      const checkout = await provider.createCheckout({
        idempotencyKey: `pay:${rid}`,
        rid,
        description: `${order.quantity} × ${order.itemName}`.slice(0, DESCRIPTION_LENGTH_MAX),
        amount: order.amount,
        expiresAt,
        returnUrl,
      });
      if (await orders.attachPayment({ rid, paymentId: checkout.paymentId })) {
        return { kind: "created", paymentId: checkout.paymentId, checkoutUrl: checkout.checkoutUrl };
      }
      await abandon(dependencies, { rid, paymentId: checkout.paymentId });
      return ended("The reservation ended before the payment could be opened.");
    },
  };
}

/**
 * Cancels a payment whose order is not held any more. A failure is only logged: the address was not given out, so nobody
 * can pay, and the provider's own expiry closes it. A payment attached by an earlier call may have been paid: settle.
 */
async function abandon(dependencies: CheckoutDependencies, lost: { rid: string; paymentId: string }): Promise<void> {
  const { provider, settlement, log } = dependencies;
  try {
    const answer = await provider.cancel(lost.paymentId);
    if (answer === "succeeded") await settlement.settle(lost.paymentId);
  } catch (error) {
    log.warn({ rid: lost.rid, paymentId: lost.paymentId, error }, "could not cancel the payment of an ended order");
  }
}

function ended(detail: string): CheckoutOutcome {
  return { kind: "refused", refusal: { reason: "ended", extra: { detail } } };
}
