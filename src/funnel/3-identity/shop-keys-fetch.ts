/**
 * The way to the shop's published keys, behind a breaker: a shop that does not answer keeps no buyer waiting.
 *
 * Keys that are known stay good while the breaker is open; only logins that need others hear at once that they cannot be
 * had. One request serves everybody who waits for it, so nothing has to come back little by little.
 */
import type { FetchImplementation } from "jose";
import { Breaker, type BreakerLimits } from "../../domain/breaker.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";

export const SHOP_KEYS_BREAKER: BreakerLimits = {
  failuresInRowMax: 2,
  pauseMs: 1_000,
  pauseMsMax: 15_000,
  rampMs: 0,
  rampFractionMin: 1,
  rampCallsMin: 1,
};

const HTTP_SERVER_ERROR = 500;

/** The same fetch; rejects at once while the breaker is open. */
export function createShopKeysFetch(parts: {
  readonly fetch: FetchImplementation;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): FetchImplementation {
  const { clock, random, log } = parts;
  const breaker = new Breaker(SHOP_KEYS_BREAKER);
  const failed = (error: unknown): void => {
    if (!breaker.failed({ nowMs: clock.monotonicMs(), chance: random.fraction() })) return;
    log.warn({ error }, "the shop's keys cannot be had; logins that need new ones are refused for a moment");
  };
  return async (url, options) => {
    if (!breaker.admits({ nowMs: clock.monotonicMs(), chance: random.fraction() })) {
      throw new Error("the shop's keys could not be had a moment ago");
    }
    try {
      const response = await parts.fetch(url, options);
      if (response.status >= HTTP_SERVER_ERROR) failed(new Error(`status ${response.status}`));
      else breaker.succeeded(clock.monotonicMs());
      return response;
    } catch (error) {
      failed(error);
      throw error;
    }
  };
}
