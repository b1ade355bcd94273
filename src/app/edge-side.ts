/**
 * What a process shares with the others through the edge: used-up limits, used nonces, figures of public pages.
 *
 * Exists only where EDGE_REDIS_URL is set. Nothing waits for it, at the start no more than later: a node whose edge is
 * away is as ready as one that has none.
 */
import { readDeploymentId } from "../adapters/postgres/deployment-id.ts";
import { createRedisEdgeState } from "../adapters/redis-edge/redis-edge-state.ts";
import type { Config } from "../config/load.ts";
import type { Keys } from "../funnel/3-identity/keys.ts";
import { LimitExchange } from "../funnel/4-throttle/limit-exchange.ts";
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import type { EdgeState } from "../ports/edge-state.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

export interface EdgeSide {
  readonly state: EdgeState;
  readonly exchange: LimitExchange;
  start(): void;
  stop(): Promise<void>;
}

export interface EdgeSideParts {
  readonly config: Config;
  readonly keys: Keys;
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Null where EDGE_REDIS_URL is not set. Throws the database's faults. */
export async function createEdgeSide(parts: EdgeSideParts): Promise<EdgeSide | null> {
  const { config, keys, database, clock, random, log } = parts;
  if (config.edgeRedisUrl === null) return null;
  const deployment = await readDeploymentId(database);
  const state = createRedisEdgeState({ url: config.edgeRedisUrl, deployment, clock, random, log });
  const exchange = new LimitExchange({ edge: state, hashKey: keys.sharedHash, clock, random, log });
  return {
    state,
    exchange,
    start() {
      state.start();
      exchange.start();
    },
    async stop() {
      await exchange.stop();
      await state.stop();
    },
  };
}
