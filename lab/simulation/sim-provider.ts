/**
 * The payment provider of the simulation: the arbiter of money, which never forgets, over links that do.
 *
 * It keeps the port's promise (cancelled money never comes, money that came is never cancelled) unless a schedule says
 * otherwise, and tells about money late, twice and in any order.
 */
import type { Money } from "../../src/domain/money.ts";
import type {
  Checkout,
  CheckoutRequest,
  Notification,
  Payment,
  PaymentProvider,
  PaymentStatus,
} from "../../src/ports/payment-provider.ts";

interface SimPayment {
  readonly paymentId: string;
  readonly request: CheckoutRequest;
  status: PaymentStatus;
}

/** See the head of this file. */
export class SimProvider implements PaymentProvider {
  readonly name = "sim";
  readonly payments = new Map<string, SimPayment>();
  /** Payments that came though they had been cancelled. */
  readonly broken = new Set<string>();
  readonly #byKey = new Map<string, SimPayment>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  async createCheckout(request: CheckoutRequest): Promise<Checkout> {
    let payment = this.#byKey.get(request.idempotencyKey);
    if (payment === undefined) {
      payment = { paymentId: `pay-${this.payments.size + 1}`, request, status: "open" };
      this.#byKey.set(request.idempotencyKey, payment);
      this.payments.set(payment.paymentId, payment);
    }
    return { paymentId: payment.paymentId, checkoutUrl: "" };
  }

  async retrieve(paymentId: string): Promise<Payment | null> {
    const payment = this.payments.get(paymentId);
    return payment === undefined ? null : { paymentId, status: payment.status, amount: payment.request.amount };
  }

  async cancel(paymentId: string): Promise<"cancelled" | "succeeded" | "processing"> {
    const payment = this.payments.get(paymentId);
    if (payment === undefined) return "processing";
    if (payment.status === "succeeded" || payment.status === "refunded") return "succeeded";
    if (payment.status === "processing") return "processing";
    payment.status = "cancelled";
    return "cancelled";
  }

  async refund(request: { paymentId: string; amount: Money; idempotencyKey: string }): Promise<void> {
    const payment = this.payments.get(request.paymentId);
    if (payment?.status === "succeeded") payment.status = "refunded";
  }

  /** The body is `notificationId paymentId`. */
  verifyNotification(request: { body: string }): Notification {
    const [notificationId = "", paymentId = ""] = request.body.split(" ");
    return { notificationId, paymentId };
  }

  /** The buyer pays. False: the provider does not take the money any more. */
  pay(paymentId: string, isSlow: boolean): boolean {
    const payment = this.payments.get(paymentId);
    if (payment?.status !== "open" || this.#nowMs() >= payment.request.expiresAt) return false;
    payment.status = isSlow ? "processing" : "succeeded";
    return true;
  }

  /** Slow money arrives. */
  finish(paymentId: string): void {
    const payment = this.payments.get(paymentId);
    if (payment?.status === "processing") payment.status = "succeeded";
  }

  /** Breaks the promise: some cancelled payment succeeds that an order has. Answers which. */
  succeedAfterCancel(isOrdered: (paymentId: string) => boolean): string | null {
    for (const payment of this.payments.values()) {
      if (payment.status !== "cancelled" || !isOrdered(payment.paymentId)) continue;
      payment.status = "succeeded";
      this.broken.add(payment.paymentId);
      return payment.paymentId;
    }
    return null;
  }
}
