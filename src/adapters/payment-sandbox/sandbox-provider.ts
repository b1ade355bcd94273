/**
 * The payment port over the sandbox's books. `implements PaymentProvider`.
 *
 * Any failure of the books is an answer that did not come: PROVIDER_UNAVAILABLE, as with a real provider's API. An outage
 * can be put on for tests; it refuses every call of this process until it is over.
 */
import assert from "node:assert";
import { Fault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CheckoutRequest, PaymentProvider } from "../../ports/payment-provider.ts";
import type { Random } from "../../ports/random.ts";
import type { SandboxPayment } from "./sandbox-payment.ts";
import type { SandboxStore } from "./sandbox-store.ts";
import type { NotificationSigner } from "./signature.ts";

/** Where the sandbox's sub-app is mounted. */
export const SANDBOX_PATH = "/sandbox-payments";
/** The provider's name in webhook paths. */
export const SANDBOX_NAME = "sandbox";

const ANY_BASE = "http://relative.invalid";
const RETURN_URL_LENGTH_MAX = 2_000;

export interface SandboxProviderOptions {
  readonly payments: SandboxStore;
  readonly signer: NotificationSigner;
  readonly clock: Clock;
  readonly random: Random;
}

/** The provider, and the switch for its outages. */
export interface SandboxProvider extends PaymentProvider {
  /** Refuses every call for this long from now; 0 ends an outage. */
  failFor(durationMs: number): void;
}

/** Builds the provider over its books. */
export function createSandboxProvider(options: SandboxProviderOptions): SandboxProvider {
  const { payments, signer, clock, random } = options;
  let failsUntilMs = Number.NEGATIVE_INFINITY;

  async function answer<Result>(call: (nowMs: number) => Promise<Result>): Promise<Result> {
    if (clock.monotonicMs() < failsUntilMs) {
      throw new Fault("PROVIDER_UNAVAILABLE", { internal: "an outage of the sandbox was asked for" });
    }
    try {
      return await call(clock.nowMs());
    } catch (error) {
      throw error instanceof Fault && error.retryable ? new Fault("PROVIDER_UNAVAILABLE", { cause: error }) : error;
    }
  }

  return {
    name: SANDBOX_NAME,
    createCheckout: (request) =>
      answer(async (nowMs) => {
        assertReturnUrl(request.returnUrl);
        const { idempotencyKey, rid, description, amount, returnUrl, expiresAt } = request;
        const made = {
          paymentId: `pay_${random.id()}`,
          idempotencyKey,
          rid,
          description,
          returnUrl,
          expiresAt,
          ...amount,
        };
        const payment = await payments.create(made, nowMs);
        assertSameRequest(payment, request);
        return { paymentId: payment.paymentId, checkoutUrl: checkoutUrlOf(payment) };
      }),
    retrieve: (paymentId) =>
      answer(async (nowMs) => {
        const payment = await payments.find(paymentId, nowMs);
        if (payment === null) return null;
        const amount = { amount: payment.capturedAmount ?? payment.amount, currency: payment.currency };
        return { paymentId, status: payment.status, amount };
      }),
    cancel: (paymentId) => answer((nowMs) => cancel(payments, paymentId, nowMs)),
    refund: ({ paymentId, amount, idempotencyKey }) =>
      answer(async (nowMs) => {
        const refund = { paymentId, amount: amount.amount, currency: amount.currency, key: idempotencyKey };
        if (await payments.refund(refund, nowMs)) return;
        throw new Fault("PROVIDER_UNAVAILABLE", { internal: `${paymentId} cannot be refunded under this key` });
      }),
    verifyNotification: (request) => signer.verify(request),
    failFor(durationMs) {
      failsUntilMs = clock.monotonicMs() + durationMs;
    },
  };
}

/** A payment that does not exist is not "cancelled": whoever asks must not release anything on our ignorance. */
async function cancel(
  payments: SandboxStore,
  paymentId: string,
  nowMs: number,
): Promise<"cancelled" | "succeeded" | "processing"> {
  if (await payments.cancel(paymentId, nowMs)) return "cancelled";
  const payment = await payments.find(paymentId, nowMs);
  switch (payment?.status) {
    case "succeeded":
    case "refunded":
      return "succeeded";
    case "cancelled":
      return "cancelled";
    case "processing":
      return "processing";
    default:
      throw new Fault("PROVIDER_UNAVAILABLE", { internal: `cancelling ${paymentId} had no effect` });
  }
}

/** The hosted page, absolute wherever the shop's own address is known. */
function checkoutUrlOf(payment: SandboxPayment): string {
  const path = `${SANDBOX_PATH}/checkout/${payment.paymentId}`;
  const base = new URL(payment.returnUrl, ANY_BASE);
  return base.origin === ANY_BASE ? path : new URL(path, base).href;
}

/** The page links to this address: nothing but the web may be behind it. */
function assertReturnUrl(returnUrl: string): void {
  assert(returnUrl.length <= RETURN_URL_LENGTH_MAX, "the return URL is too long");
  const { protocol } = new URL(returnUrl, ANY_BASE);
  assert(protocol === "http:" || protocol === "https:", "the return URL must be http or https");
}

/** Like real providers: a key belongs to one request, and using it for another one is the caller's bug. */
function assertSameRequest(payment: SandboxPayment, request: CheckoutRequest): void {
  const isSame =
    payment.rid === request.rid &&
    payment.amount === request.amount.amount &&
    payment.currency === request.amount.currency &&
    payment.expiresAt === request.expiresAt;
  assert(isSame, `idempotency key ${request.idempotencyKey} was used for another request`);
}
