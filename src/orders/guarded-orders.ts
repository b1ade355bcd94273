/**
 * A buyer's reads and cancellations behind a breaker: while the database answers nobody, nobody waits for it.
 *
 * Without it every request of a crowd would wait for its own time-out and hold a connection's place meanwhile. Attempts
 * do not come here; workers neither, they ask few at a time and must notice at once that the database is back. How long
 * each call took is told on, for the bound on requests under way (funnel/1-shed/route-guard.ts).
 */
import { Breaker, type BreakerLimits } from "../domain/breaker.ts";
import { Fault, isFault } from "../domain/faults.ts";
import type { Clock } from "../ports/clock.ts";
import type { OrderStore } from "../ports/order-store.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

/** What buyers do with orders. */
export type BuyerOrders = Pick<OrderStore, "findOrder" | "listOrdersOfBuyer" | "cancelHold">;

export const DATABASE_BREAKER: BreakerLimits = {
  failuresInRowMax: 10,
  pauseMs: 250,
  pauseMsMax: 2_000,
  rampMs: 3_000,
  rampFractionMin: 0.05,
  rampCallsMin: 8,
};

export interface GuardedOrdersParts {
  readonly orders: BuyerOrders;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A call took this long, answered or not. */
  readonly onDuration: (durationMs: number) => void;
}

/** The same orders; throws DATABASE_UNAVAILABLE at once while the breaker is open. */
export function createGuardedOrders(parts: GuardedOrdersParts): BuyerOrders {
  const { orders, clock, random, log, onDuration } = parts;
  const breaker = new Breaker(DATABASE_BREAKER);

  async function guarded<Result>(call: () => Promise<Result>): Promise<Result> {
    const beganAtMs = clock.monotonicMs();
    if (!breaker.admits({ nowMs: beganAtMs, chance: random.fraction() })) {
      throw new Fault("DATABASE_UNAVAILABLE", { internal: "it is left alone for a moment" });
    }
    try {
      const result = await call();
      answered();
      return result;
    } catch (error) {
      if (isFault(error, "DATABASE_UNAVAILABLE")) failed();
      else answered();
      throw error;
    } finally {
      onDuration(clock.monotonicMs() - beganAtMs);
    }
  }

  function answered(): void {
    if (breaker.state === "probing")
      log.info({}, "the database answers again; buyers' reads come back little by little");
    breaker.succeeded(clock.monotonicMs());
  }

  function failed(): void {
    const opened = breaker.failed({ nowMs: clock.monotonicMs(), chance: random.fraction() });
    if (opened) log.warn({}, "the database answers nobody; buyers' reads are refused at once until it does");
  }

  return {
    findOrder: (rid) => guarded(() => orders.findOrder(rid)),
    listOrdersOfBuyer: (request) => guarded(() => orders.listOrdersOfBuyer(request)),
    cancelHold: (request) => guarded(() => orders.cancelHold(request)),
  };
}
