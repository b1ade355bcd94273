/**
 * Sweeper: ends holds that nobody paid, and sends back money that came for nothing.
 *
 *     held ──hold passed──► expiring ──provider: cancelled, or no payment──► expired / cancelled, units free
 *                              │ ├─────provider: succeeded────────────────► settled (paid or refund_due)
 *                              └─┴──── anything else: stays expiring, units stay held, asked again with backoff
 *
 * The provider is the only arbiter of money, and it is asked outside any transaction. "Unknown" never releases a unit; an
 * operator is told after half an hour instead. A pass takes batches until nothing is due, so that units come back
 * at least as fast as they were sold. Several nodes may sweep at once: the store shares the work out.
 */
import type { Rid } from "../domain/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { EndingOrder, OrderStore, RefundDue } from "../ports/order-store.ts";
import type { PaymentProvider } from "../ports/payment-provider.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { forEachBounded } from "./bounded.ts";
import { createLoop } from "./loop.ts";
import type { SettlementService } from "./settlement.ts";

/** Orders per batch: one statement moves them all. */
const BATCH_ROWS_MAX = 500;
/** Batches per pass, so that a pass ends and stopping is heard. */
const BATCHES_PER_PASS_MAX = 40;
const CANCELS_IN_FLIGHT_MAX = 16;
/** A slow provider may hold a batch up no longer than this; what was not asked comes due again. */
const CANCELS_PER_BATCH_MS_MAX = 10_000;
const REFUNDS_PER_PASS_MAX = 100;
const REFUNDS_IN_FLIGHT_MAX = 4;
const REFUND_RETRY_AFTER_MS = 30_000;
const EXPIRY_RETRY_AFTER_MS_MIN = 2_000;
const EXPIRY_RETRY_AFTER_MS_MAX = 60_000;
const PASS_INTERVAL_MS = 500;
/** An order that the provider leaves undecided for this long is an operator's business. */
export const UNDECIDED_ALERT_AFTER_MS = 30 * 60_000;
const ALERT_INTERVAL_MS = 60_000;

/** What one pass did; for logs and tests. */
export interface SweepReport {
  /** Orders that ended and gave their units back. */
  readonly ended: number;
  /** Orders whose payment turned out to be paid. */
  readonly settled: number;
  /** Orders that stay `expiring` because the provider did not decide. */
  readonly undecided: number;
  readonly refunded: number;
}

export interface Sweeper {
  start(): void;
  /** Resolves when the running pass, if any, is over. */
  stop(): Promise<void>;
  /** One pass. Throws faults of the store. */
  runOnce(): Promise<SweepReport>;
}

export interface SweeperDependencies {
  readonly orders: OrderStore;
  readonly provider: PaymentProvider;
  readonly settlement: SettlementService;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Runs after holds were found to be over and before their units are on sale again. */
  readonly beforeUnitsReturn?: () => Promise<void>;
}

type Tally = { -readonly [Key in keyof SweepReport]: SweepReport[Key] };

/** Builds the sweeper over one provider. */
export function createSweeper(dependencies: SweeperDependencies): Sweeper {
  const pass = new SweepPass(dependencies);
  const loop = createLoop({
    name: "sweeper",
    clock: dependencies.clock,
    random: dependencies.random,
    log: dependencies.log,
    intervalMs: PASS_INTERVAL_MS,
    run: async (isStopping) => {
      await pass.run(isStopping);
    },
  });
  return { start: loop.start, stop: loop.stop, runOnce: () => pass.run(() => false) };
}

class SweepPass {
  readonly #dependencies: SweeperDependencies;
  #expiryRetryAfterMs = EXPIRY_RETRY_AFTER_MS_MIN;
  /** When the wait began to be what it is; never = nothing is stuck. */
  #backedOffAtMs = Number.NEGATIVE_INFINITY;
  #alertedAtMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: SweeperDependencies) {
    this.#dependencies = dependencies;
  }

  async run(isStopping: () => boolean): Promise<SweepReport> {
    const tally: Tally = { ended: 0, settled: 0, undecided: 0, refunded: 0 };
    const batches = await this.#beginAll(isStopping);
    if (batches.length > 0) await this.#beforeUnitsReturn();
    // Batches that are not reached come due again.
    for (const ending of batches) if (!isStopping()) await this.#endAll(ending, tally, isStopping);
    if (!isStopping()) await this.#refundAll(tally, isStopping);
    return tally;
  }

  /** All holds that are over, in batches; none is empty. */
  async #beginAll(isStopping: () => boolean): Promise<readonly (readonly EndingOrder[])[]> {
    const batches: (readonly EndingOrder[])[] = [];
    for (let batch = 0; batch < BATCHES_PER_PASS_MAX && !isStopping(); batch += 1) {
      const ending = await this.#dependencies.orders.beginExpiry({
        rowsMax: BATCH_ROWS_MAX,
        retryAfterMs: this.#expiryRetryAfterMs,
      });
      if (ending.length > 0) batches.push(ending);
      if (ending.length < BATCH_ROWS_MAX) break;
    }
    return batches;
  }

  /** What goes wrong here is repeated by whoever it belongs to; it must not keep units from others. */
  async #beforeUnitsReturn(): Promise<void> {
    const { beforeUnitsReturn, log } = this.#dependencies;
    try {
      await beforeUnitsReturn?.();
    } catch (error) {
      log.warn({ error }, "holds end without what was to be done before");
    }
  }

  /** Ends what has no payment at once, asks the provider about the rest, then ends what it cancelled. */
  async #endAll(ending: readonly EndingOrder[], tally: Tally, isStopping: () => boolean): Promise<void> {
    const { orders, clock } = this.#dependencies;
    if (ending.length === 0) return;
    const unpaid = ending.filter((order) => order.paymentId === null).map((order) => order.rid);
    if (unpaid.length > 0) tally.ended += await orders.finishEnding(unpaid);

    const decidedBefore = tally.ended + tally.settled;
    const undecided: EndingOrder[] = [];
    const cancelled: Rid[] = [];
    const deadlineMs = clock.monotonicMs() + CANCELS_PER_BATCH_MS_MAX;
    await forEachBounded(withPayment(ending), CANCELS_IN_FLIGHT_MAX, async (order) => {
      if (isStopping() || clock.monotonicMs() > deadlineMs) return;
      const verdict = await this.#decide(order);
      if (verdict === "cancelled") cancelled.push(order.rid);
      else if (verdict === "settled") tally.settled += 1;
      else undecided.push(order);
    });
    if (cancelled.length > 0) tally.ended += await orders.finishEnding(cancelled);
    tally.undecided += undecided.length;
    this.#backOff(undecided.length > 0 && tally.ended + tally.settled === decidedBefore);
    this.#alert(undecided);
  }

  /** Asks the arbiter. Every exception means "unknown", and unknown releases nothing. */
  async #decide(order: PaidOrder): Promise<"cancelled" | "settled" | "undecided"> {
    const { provider, settlement, log } = this.#dependencies;
    try {
      const answer = await provider.cancel(order.paymentId);
      if (answer === "cancelled") return "cancelled";
      if (answer === "processing") return "undecided";
      const outcome = await settlement.settle(order.paymentId);
      // Money that was refunded at the provider itself can never come again: as good as cancelled.
      if (outcome === "sent_back") return "cancelled";
      return outcome === "not_paid" ? "undecided" : "settled";
    } catch (error) {
      log.debug(
        { rid: order.rid, paymentId: order.paymentId, error },
        "the payment's fate is unknown; asked again later",
      );
      return "undecided";
    }
  }

  /**
   * While nothing can be decided, orders are asked about ever more seldom; one decision resets that. A wait grows only once
   * it has passed, however many batches are stuck meanwhile: units wait about as long again as the provider was away.
   */
  #backOff(isStuck: boolean): void {
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (!isStuck) {
      this.#expiryRetryAfterMs = EXPIRY_RETRY_AFTER_MS_MIN;
      this.#backedOffAtMs = Number.NEGATIVE_INFINITY;
    } else if (this.#backedOffAtMs === Number.NEGATIVE_INFINITY) {
      this.#backedOffAtMs = nowMs;
    } else if (nowMs - this.#backedOffAtMs >= this.#expiryRetryAfterMs) {
      this.#expiryRetryAfterMs = Math.min(this.#expiryRetryAfterMs * 2, EXPIRY_RETRY_AFTER_MS_MAX);
      this.#backedOffAtMs = nowMs;
    }
  }

  #alert(undecided: readonly EndingOrder[]): void {
    const { clock, log } = this.#dependencies;
    const overdue = undecided.filter((order) => clock.nowMs() - order.since >= UNDECIDED_ALERT_AFTER_MS);
    if (overdue.length === 0 || clock.monotonicMs() - this.#alertedAtMs < ALERT_INTERVAL_MS) return;
    this.#alertedAtMs = clock.monotonicMs();
    log.error(
      { orders: overdue.length, rids: overdue.slice(0, 10).map((order) => order.rid) },
      "payments undecided for over 30 minutes hold units back; look them up at the payment provider",
    );
  }

  async #refundAll(tally: Tally, isStopping: () => boolean): Promise<void> {
    const due = await this.#dependencies.orders.takeRefundsDue({
      rowsMax: REFUNDS_PER_PASS_MAX,
      retryAfterMs: REFUND_RETRY_AFTER_MS,
    });
    await forEachBounded(due, REFUNDS_IN_FLIGHT_MAX, async (refund) => {
      if (isStopping()) return;
      if (await this.#refund(refund)) tally.refunded += 1;
    });
  }

  /**
   * What goes back is what the provider captured, not what the order cost: they differ exactly when the amount was wrong,
   * and a provider refuses to refund more than it holds.
   */
  async #refund(due: RefundDue): Promise<boolean> {
    const { orders, provider, log } = this.#dependencies;
    try {
      const payment = await provider.retrieve(due.paymentId);
      if (payment === null || (payment.status !== "succeeded" && payment.status !== "refunded")) {
        log.error({ rid: due.rid, paymentId: due.paymentId }, "a refund is due but the provider holds no money for it");
        return false;
      }
      if (payment.status === "succeeded") {
        await provider.refund({
          paymentId: due.paymentId,
          amount: payment.amount,
          idempotencyKey: `refund:${due.rid}`,
        });
      }
      await orders.completeRefund(due.rid);
      log.info({ rid: due.rid, paymentId: due.paymentId, amount: payment.amount.amount }, "refunded");
      return true;
    } catch (error) {
      log.warn({ rid: due.rid, paymentId: due.paymentId, error }, "refund not confirmed; it is tried again");
      return false;
    }
  }
}

type PaidOrder = EndingOrder & { readonly paymentId: string };

function withPayment(ending: readonly EndingOrder[]): readonly PaidOrder[] {
  return ending.filter((order): order is PaidOrder => order.paymentId !== null);
}
