/**
 * Settlement: turns "money may have arrived" into one idempotent move of the order store.
 *
 * Webhook, sweeper, reconciliation and the return page all come through here and believe none of their messengers: a
 * notification only says which payment to look at, the payment itself is read from the provider, and the store compares
 * its amount and currency with the order before any unit moves. Deciding what late money becomes is the store's work.
 */

import type { OrderStore, Settlement } from "../ports/order-store.ts";
import type { Payment, PaymentProvider } from "../ports/payment-provider.ts";
import type { Log } from "../ports/telemetry.ts";

/**
 * `not_paid` = the provider has no money for this payment (now). `sent_back` = it had, and has returned it: a refund made
 * at the provider itself. Nothing is recorded for either.
 */
export type SettlementOutcome = Settlement | "not_paid" | "sent_back";

export type NotificationOutcome =
  | { readonly kind: "taken"; readonly settlement: SettlementOutcome }
  | { readonly kind: "no_such_provider" };

export interface SettlementService {
  /**
   * Handles a provider's notification. Throws NOTIFICATION_FORGED when the signature is not the provider's; any other
   * fault means "not taken, send it again". `body` must be the bytes as they arrived.
   */
  notified(providerName: string, body: string, headers: Readonly<Record<string, string>>): Promise<NotificationOutcome>;
  /** Asks the provider about a payment and settles it if its money is there. Throws faults: ask again. */
  settle(paymentId: string): Promise<SettlementOutcome>;
}

export interface SettlementDependencies {
  readonly orders: OrderStore;
  readonly provider: PaymentProvider;
  readonly log: Log;
}

/** Builds the settlement over one provider. */
export function createSettlement(dependencies: SettlementDependencies): SettlementService {
  const { orders, provider, log } = dependencies;

  async function settlePaid(paymentId: string, notificationId: string | null): Promise<SettlementOutcome> {
    const payment = await provider.retrieve(paymentId);
    // Settling what was sent back would give units away for nothing.
    if (payment?.status === "refunded") return "sent_back";
    if (payment?.status !== "succeeded") return "not_paid";
    const settlement = await orders.settlePayment({
      provider: provider.name,
      notificationId,
      paymentId,
      amount: payment.amount,
    });
    report(log, payment, settlement);
    return settlement;
  }

  return {
    async notified(providerName, body, headers) {
      if (providerName !== provider.name) return { kind: "no_such_provider" };
      const notification = provider.verifyNotification({ body, headers });
      const settlement = await settlePaid(notification.paymentId, notification.notificationId);
      return { kind: "taken", settlement };
    },
    settle: (paymentId) => settlePaid(paymentId, null),
  };
}

/** Money that fits no order, or an order it cannot pay, is something an operator has to be able to find. */
function report(log: Log, payment: Payment, settlement: Settlement): void {
  const fields = { paymentId: payment.paymentId, amount: payment.amount.amount, currency: payment.amount.currency };
  if (settlement === "unknown") log.error(fields, "money arrived for a payment that no order has");
  else if (settlement === "refund_due") log.warn(fields, "money arrived that cannot be kept; it will be refunded");
}
