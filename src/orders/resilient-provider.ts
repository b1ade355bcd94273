/**
 * Wraps a payment provider in a bulkhead, retry, breaker and deadline, in that order from the outside.
 *
 * Every call may be repeated: the port makes creation and refund idempotent by key, cancel and retrieve by nature. So a
 * call that gave no answer is simply asked again, and what still has none ends as PROVIDER_UNAVAILABLE, which every
 * caller reads as "unknown". Anything else (a bug, a forged notification) passes through untouched and unretried.
 */
import {
  bulkhead,
  type CircuitBreakerPolicy,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  handleWhen,
  isBrokenCircuitError,
  isBulkheadRejectedError,
  isTaskCancelledError,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import { Fault, isFault } from "../domain/faults.ts";
import type { PaymentProvider } from "../ports/payment-provider.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

export interface ResilienceLimits {
  /** Deadline of one try. */
  readonly tryMsMax: number;
  /** Tries after the first one. */
  readonly retriesMax: number;
  readonly retryDelayMs: number;
  /** Tries in a row without an answer that open the breaker, and how long it then refuses at once. */
  readonly failuresInRowMax: number;
  readonly breakMs: number;
  readonly inFlightMax: number;
  readonly queueLengthMax: number;
}

export const RESILIENCE_LIMITS: ResilienceLimits = {
  tryMsMax: 5_000,
  retriesMax: 2,
  retryDelayMs: 100,
  failuresInRowMax: 10,
  breakMs: 5_000,
  inFlightMax: 32,
  queueLengthMax: 1_000,
};

export interface ResilienceOptions {
  readonly provider: PaymentProvider;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: ResilienceLimits;
}

/** The same provider, which answers in time or throws PROVIDER_UNAVAILABLE. */
export function createResilientProvider(options: ResilienceOptions): PaymentProvider {
  const { provider } = options;
  const guarded = createGuard(options);
  return {
    name: provider.name,
    createCheckout: (request) => guarded("createCheckout", () => provider.createCheckout(request)),
    retrieve: (paymentId) => guarded("retrieve", () => provider.retrieve(paymentId)),
    cancel: (paymentId) => guarded("cancel", () => provider.cancel(paymentId)),
    refund: (request) => guarded("refund", () => provider.refund(request)),
    verifyNotification: (request) => provider.verifyNotification(request),
  };
}

type Guard = <Result>(operation: string, call: () => Promise<Result>) => Promise<Result>;

function createGuard({ provider, random, log, limits = RESILIENCE_LIMITS }: ResilienceOptions): Guard {
  const unanswered = handleWhen((error) => isTaskCancelledError(error) || isFault(error, "PROVIDER_UNAVAILABLE"));
  // Full jitter over a doubling ceiling: retries of many callers spread out instead of arriving together.
  const backoff = new DelegateBackoff<unknown, number>((_context, ceilingMs = limits.retryDelayMs) => ({
    delay: random.fraction() * ceilingMs,
    state: ceilingMs * 2,
  }));
  const breaker = circuitBreaker(unanswered, {
    halfOpenAfter: limits.breakMs,
    breaker: new ConsecutiveBreaker(limits.failuresInRowMax),
  });
  logBreaker(breaker, provider.name, log);
  const policy = wrap(
    bulkhead(limits.inFlightMax, limits.queueLengthMax),
    retry(unanswered, { maxAttempts: limits.retriesMax, backoff }),
    breaker,
    timeout(limits.tryMsMax, TimeoutStrategy.Aggressive),
  );
  return async (operation, call) => {
    try {
      return await policy.execute(call);
    } catch (error) {
      if (isTaskCancelledError(error) || isBrokenCircuitError(error) || isBulkheadRejectedError(error)) {
        throw new Fault("PROVIDER_UNAVAILABLE", { cause: error, internal: `${provider.name}.${operation}` });
      }
      throw error;
    }
  };
}

function logBreaker(breaker: CircuitBreakerPolicy, provider: string, log: Log): void {
  breaker.onBreak(() => log.error({ provider }, "the payment provider does not answer; it is left alone for a moment"));
  breaker.onReset(() => log.info({ provider }, "the payment provider answers again"));
}
