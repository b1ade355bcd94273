/**
 * How Redis looks from here and from the nodes: since when it is away, since when it is well, and why it may not serve.
 *
 * A node alone decides nothing. What counts is what a majority of the API nodes reports; where there are none, what this
 * process sees. "Well" is stricter than "not away": every API node reaches it, it keeps what it promises, and it is the same
 * server all along.
 */
import { isFault } from "../domain/faults.ts";
import type { Books, NodeReport } from "../ports/books.ts";
import type { BucketStore, StoreHealth } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";

const LOOK_INTERVAL_MS = 500;
/** Reports older than this say nothing about now: the node is down, or cannot reach Postgres either. */
const REPORT_AGE_MS_MAX = 3_500;

/** Durations are measured from the first look that saw it so. */
export interface RedisView {
  /** How long a majority of the API nodes (without any: this process) has not reached Redis; 0 while it does. */
  readonly awayMs: number;
  /** How long this process has not reached it. */
  readonly unseenMs: number;
  /** How long it has answered that it may not, or cannot, keep the ledger. */
  readonly unfitMs: number;
  /** How long everything has been as redis mode needs it; 0 while it is not. */
  readonly wellMs: number;
  readonly isWell: boolean;
  /** Why it is not well, in words for the operator; null while it is. */
  readonly objection: string | null;
}

/** See the head of this file. */
export class RedisWatch {
  readonly #parts: {
    readonly store: Pick<BucketStore, "health">;
    readonly books: Pick<Books, "listNodeReports">;
    readonly clock: Clock;
    readonly log: Log;
  };
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #awaySinceMs: number | null = null;
  #unseenSinceMs: number | null = null;
  #unfitSinceMs: number | null = null;
  #wellSinceMs: number | null = null;
  #objection: string | null = "Redis was not asked yet";
  #runIds = "";
  #running: Promise<void> | null = null;

  constructor(parts: {
    store: Pick<BucketStore, "health">;
    books: Pick<Books, "listNodeReports">;
    clock: Clock;
    log: Log;
  }) {
    this.#parts = parts;
  }

  /** The view now, from a look that is at most half a second old. Throws what the books throw. */
  async look(): Promise<RedisView> {
    const { clock } = this.#parts;
    if (clock.monotonicMs() - this.#lookedAtMs >= LOOK_INTERVAL_MS) {
      this.#running ??= this.#lookAfresh().finally(() => {
        this.#running = null;
      });
      await this.#running;
    }
    const since = (atMs: number | null): number => (atMs === null ? 0 : clock.monotonicMs() - atMs);
    return {
      awayMs: since(this.#awaySinceMs),
      unseenMs: since(this.#unseenSinceMs),
      unfitMs: since(this.#unfitSinceMs),
      wellMs: since(this.#wellSinceMs),
      isWell: this.#wellSinceMs !== null,
      objection: this.#objection,
    };
  }

  async #lookAfresh(): Promise<void> {
    const { books, clock } = this.#parts;
    const [health, reports] = await Promise.all([this.#askHealth(), books.listNodeReports()]);
    const nowMs = clock.monotonicMs();
    this.#lookedAtMs = nowMs;
    const told = reports.filter((report) => report.roles.includes("api") && report.ageMs <= REPORT_AGE_MS_MAX);
    this.#awaySinceMs = isAway(told, health) ? (this.#awaySinceMs ?? nowMs) : null;
    this.#unseenSinceMs = health === null ? (this.#unseenSinceMs ?? nowMs) : null;
    this.#unfitSinceMs = unfitnessOf(health) === null ? null : (this.#unfitSinceMs ?? nowMs);
    const runIds = [...(health?.runIds ?? [])].sort().join();
    this.#objection = objectionOf(told, health);
    const isSameServer = runIds === this.#runIds;
    this.#runIds = runIds;
    this.#wellSinceMs = this.#objection === null ? ((isSameServer ? this.#wellSinceMs : null) ?? nowMs) : null;
  }

  async #askHealth(): Promise<StoreHealth | null> {
    const { store, log } = this.#parts;
    try {
      return await store.health();
    } catch (error) {
      if (!isFault(error)) throw error;
      log.debug({ error }, "Redis gave no answer about itself");
      return null;
    }
  }
}

/** Nodes without Redis configured have no say in whether it is there. */
function isAway(told: readonly NodeReport[], health: StoreHealth | null): boolean {
  const voters = told.filter((report) => report.canReachRedis !== null);
  if (voters.length === 0) return health === null;
  const away = voters.filter((report) => report.canReachRedis === false).length;
  return away * 2 > voters.length;
}

function unfitnessOf(health: StoreHealth | null): string | null {
  if (health === null) return null;
  if (health.unsafe !== null) return `Redis may not keep the ledger: ${health.unsafe}`;
  return health.failing === null ? null : `Redis cannot keep the ledger: ${health.failing}`;
}

function objectionOf(told: readonly NodeReport[], health: StoreHealth | null): string | null {
  if (health === null) return "Redis gives the conductor no answer";
  const unfitness = unfitnessOf(health);
  if (unfitness !== null) return unfitness;
  const unconfigured = told.filter((report) => report.canReachRedis === null).map((report) => report.nodeId);
  if (unconfigured.length > 0) return `API nodes without REDIS_URL: ${unconfigured.slice(0, 5).join(", ")}`;
  const away = told.filter((report) => report.canReachRedis === false).map((report) => report.nodeId);
  return away.length === 0 ? null : `API nodes that do not reach Redis: ${away.slice(0, 5).join(", ")}`;
}
