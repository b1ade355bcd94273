/**
 * A payment provider in memory that keeps the port's promises and fails exactly when a test says so.
 */
import assert from "node:assert";
import { Fault } from "../../src/domain/faults.ts";
import { isSameMoney, type Money } from "../../src/domain/money.ts";
import type {
  Checkout,
  CheckoutRequest,
  Notification,
  Payment,
  PaymentProvider,
  PaymentStatus,
} from "../../src/ports/payment-provider.ts";

interface ScriptedPayment {
  readonly request: CheckoutRequest;
  readonly paymentId: string;
  status: PaymentStatus;
  captured: Money;
}

type Operation = "createCheckout" | "retrieve" | "cancel" | "refund";

export class ScriptedProvider implements PaymentProvider {
  readonly name = "scripted";
  readonly payments = new Map<string, ScriptedPayment>();
  /** Every call that reached the provider, in order. */
  readonly calls: { readonly operation: Operation; readonly subject: string }[] = [];
  readonly refunds = new Map<string, Money>();
  inFlight = 0;
  inFlightPeak = 0;
  /** Called before each operation; throw from here to let it fail before it took effect, await to hold it up. */
  before: (operation: Operation, subject: string) => void | Promise<void> = () => undefined;
  /** Called after each operation took effect; throw from here to lose its answer. */
  after: (operation: Operation, subject: string) => void | Promise<void> = () => undefined;

  createCheckout(request: CheckoutRequest): Promise<Checkout> {
    return this.#do("createCheckout", request.idempotencyKey, () => {
      const known = [...this.payments.values()].find(
        (payment) => payment.request.idempotencyKey === request.idempotencyKey,
      );
      if (known !== undefined) assert.deepEqual(known.request, request, "one key, one request");
      const paymentId = known?.paymentId ?? `pay_${this.payments.size + 1}`;
      if (known === undefined)
        this.payments.set(paymentId, { request, paymentId, status: "open", captured: request.amount });
      return { paymentId, checkoutUrl: `https://provider.example/${paymentId}` };
    });
  }

  retrieve(paymentId: string): Promise<Payment | null> {
    return this.#do("retrieve", paymentId, () => {
      const payment = this.payments.get(paymentId);
      return payment === undefined ? null : { paymentId, status: payment.status, amount: payment.captured };
    });
  }

  cancel(paymentId: string): Promise<"cancelled" | "succeeded" | "processing"> {
    return this.#do("cancel", paymentId, () => {
      const payment = this.#get(paymentId);
      if (payment.status === "succeeded" || payment.status === "refunded") return "succeeded";
      if (payment.status === "processing") return "processing";
      payment.status = "cancelled";
      return "cancelled";
    });
  }

  async refund(request: { paymentId: string; amount: Money; idempotencyKey: string }): Promise<void> {
    await this.#do("refund", request.paymentId, () => {
      if (this.refunds.has(request.idempotencyKey)) return;
      const payment = this.#get(request.paymentId);
      assert.equal(payment.status, "succeeded", "only money that came can go back");
      assert(isSameMoney(payment.captured, request.amount), "exactly what came goes back");
      payment.status = "refunded";
      this.refunds.set(request.idempotencyKey, request.amount);
    });
  }

  /** The body is `notificationId paymentId`; anything without the header is a forgery. */
  verifyNotification(request: { body: string; headers: Readonly<Record<string, string>> }): Notification {
    if (request.headers["signed"] !== "yes") throw new Fault("NOTIFICATION_FORGED");
    const [notificationId = "", paymentId = ""] = request.body.split(" ");
    return { notificationId, paymentId };
  }

  /** The buyer pays, if the payment can still be paid. */
  pay(paymentId: string, captured?: Money): void {
    const payment = this.#get(paymentId);
    if (payment.status !== "open" && payment.status !== "processing") return;
    payment.status = "succeeded";
    if (captured !== undefined) payment.captured = captured;
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  #get(paymentId: string): ScriptedPayment {
    const payment = this.payments.get(paymentId);
    if (payment === undefined) throw new Fault("PROVIDER_UNAVAILABLE", { internal: `no payment ${paymentId}` });
    return payment;
  }

  async #do<Result>(operation: Operation, subject: string, effect: () => Result): Promise<Result> {
    this.calls.push({ operation, subject });
    this.inFlight += 1;
    this.inFlightPeak = Math.max(this.inFlightPeak, this.inFlight);
    try {
      await this.before(operation, subject);
      const result = effect();
      await this.after(operation, subject);
      return result;
    } finally {
      this.inFlight -= 1;
    }
  }
}
