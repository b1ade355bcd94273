/**
 * Wraps a payment provider in a bulkhead, retry, breaker and deadline, in that order from the outside.
 *
 * Every call may be repeated: the port makes creation and refund idempotent by key, cancel and retrieve by nature. So a
 * call that gave no answer is simply asked again as long as the budget of retries lasts, and what still has none ends as
 * PROVIDER_UNAVAILABLE, which every caller reads as "unknown". Anything else (a bug, a forged notification) passes through
 * untouched and unretried. The breaker is our own, because a provider that is back must not meet everybody at once.
 */
import {
  bulkhead,
  DelegateBackoff,
  handleWhen,
  isBulkheadRejectedError,
  isTaskCancelledError,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import { Breaker } from "../domain/breaker.ts";
import { Fault, isFault } from "../domain/faults.ts";
import { RetryBudget, type RetryBudgetLimits } from "../domain/retry-budget.ts";
import type { Clock } from "../ports/clock.ts";
import type { PaymentProvider } from "../ports/payment-provider.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

export interface ResilienceLimits {
  /** Deadline of one try. */
  readonly tryMsMax: number;
  /** Tries after the first one. */
  readonly retriesMax: number;
  readonly retryDelayMs: number;
  readonly retryBudget: RetryBudgetLimits;
  /** Tries in a row without an answer that open the breaker, and how long it then refuses at once. */
  readonly failuresInRowMax: number;
  readonly breakMs: number;
  readonly breakMsMax: number;
  /** How long it takes from the first answer until all calls are let through again. */
  readonly rampMs: number;
  readonly inFlightMax: number;
  readonly queueLengthMax: number;
}

export const RESILIENCE_LIMITS: ResilienceLimits = {
  tryMsMax: 5_000,
  retriesMax: 2,
  retryDelayMs: 100,
  retryBudget: { perTry: 0.1, perS: 1, savedMax: 20 },
  failuresInRowMax: 10,
  breakMs: 5_000,
  breakMsMax: 30_000,
  rampMs: 10_000,
  inFlightMax: 32,
  queueLengthMax: 1_000,
};

export interface ResilienceOptions {
  readonly provider: PaymentProvider;
  readonly clock: Clock;
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

/** A call that the breaker did not let through: nothing was asked, and it is not asked again. */
class LeftAlone extends Error {}

/** Calls that the breaker always lets through while the provider comes back. */
const RAMP_CALLS_MIN = 2;
const RAMP_FRACTION_MIN = 0.05;

function createGuard(options: ResilienceOptions): Guard {
  const { provider, clock, random, limits = RESILIENCE_LIMITS } = options;
  const budget = new RetryBudget(limits.retryBudget);
  const unanswered = handleWhen((error) => isUnanswered(error) && budget.spend(clock.monotonicMs()));
  // Full jitter over a doubling ceiling: retries of many callers spread out instead of arriving together.
  const backoff = new DelegateBackoff<unknown, number>((_context, ceilingMs = limits.retryDelayMs) => ({
    delay: random.fraction() * ceilingMs,
    state: ceilingMs * 2,
  }));
  const outside = wrap(
    bulkhead(limits.inFlightMax, limits.queueLengthMax),
    retry(unanswered, { maxAttempts: limits.retriesMax, backoff }),
  );
  const attempt = createAttempt(options, limits);
  return async (operation, call) => {
    budget.earn();
    try {
      return await outside.execute(() => attempt(call));
    } catch (error) {
      if (isTaskCancelledError(error) || error instanceof LeftAlone || isBulkheadRejectedError(error)) {
        throw new Fault("PROVIDER_UNAVAILABLE", { cause: error, internal: `${provider.name}.${operation}` });
      }
      throw error;
    }
  };
}

/** One try, through the breaker and within the deadline. */
function createAttempt({ provider, clock, random, log }: ResilienceOptions, limits: ResilienceLimits) {
  const deadline = timeout(limits.tryMsMax, TimeoutStrategy.Aggressive);
  const breaker = new Breaker({
    failuresInRowMax: limits.failuresInRowMax,
    pauseMs: limits.breakMs,
    pauseMsMax: limits.breakMsMax,
    rampMs: limits.rampMs,
    rampFractionMin: RAMP_FRACTION_MIN,
    rampCallsMin: RAMP_CALLS_MIN,
  });
  const moment = () => ({ nowMs: clock.monotonicMs(), chance: random.fraction() });
  const succeeded = () => {
    if (breaker.state === "probing") log.info({ provider: provider.name }, "the payment provider answers again");
    breaker.succeeded(clock.monotonicMs());
  };
  const failed = () => {
    if (!breaker.failed(moment())) return;
    log.error({ provider: provider.name }, "the payment provider does not answer; it is left alone for a moment");
  };
  return async <Result>(call: () => Promise<Result>): Promise<Result> => {
    if (!breaker.admits(moment())) throw new LeftAlone("the provider is left alone for a moment");
    try {
      const result = await deadline.execute(call);
      succeeded();
      return result;
    } catch (error) {
      if (isUnanswered(error)) failed();
      else succeeded();
      throw error;
    }
  };
}

function isUnanswered(error: unknown): boolean {
  return (error instanceof Error && isTaskCancelledError(error)) || isFault(error, "PROVIDER_UNAVAILABLE");
}
