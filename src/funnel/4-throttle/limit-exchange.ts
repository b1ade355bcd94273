/**
 * Limits that several nodes enforce together: each tells the edge what it let through, and learns what all let through.
 *
 * The hot path never waits for this: it decides by its own table, which this loop brings up to date about ten times a
 * second. A key that is used on many nodes at once can therefore pass its limit by what fits into one interval; that is
 * charged to it all the same, so over any longer time it gets one limit and not one per node. Without an edge, or with a
 * dead one, each table simply knows less: local limits hold, doors never open.
 */
import { isFault } from "../../domain/faults.ts";
import type { Clock } from "../../ports/clock.ts";
import { type EdgeState, LIMIT_USES_MAX } from "../../ports/edge-state.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";
import { KeyedHash } from "../keyed-hash.ts";
import type { GcraTable } from "./gcra-table.ts";

/** Time between two exchanges; jittered, so that nodes do not ask together. */
export const EXCHANGE_INTERVAL_MS = { min: 50, max: 100 };

export interface LimitExchangeParts {
  readonly edge: Pick<EdgeState, "shareLimits" | "isReachable">;
  /** The deployment's: all nodes must name a key alike. */
  readonly hashKey: { readonly word0: number; readonly word1: number };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** See the head of this file. One per process. */
export class LimitExchange {
  readonly #parts: LimitExchangeParts;
  readonly #tables = new Map<string, GcraTable>();
  #cancelTimer: (() => void) | null = null;
  #round: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(parts: LimitExchangeParts) {
    this.#parts = parts;
  }

  /** A hash that names keys as every other node does; each table needs its own. */
  createHash(): KeyedHash {
    return new KeyedHash(this.#parts.hashKey);
  }

  /** Takes part for a table that records its uses. The scope must be the same word on all nodes, and not be taken. */
  join(scope: string, table: GcraTable): void {
    if (table.isOff) return;
    if (this.#tables.has(scope)) throw new Error(`two tables want to be "${scope}"`);
    this.#tables.set(scope, table);
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#schedule();
  }

  /** Resolves when the running exchange, if any, is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    await this.#round;
  }

  /** One exchange of all tables. Never rejects for an edge that is away. */
  async exchangeOnce(): Promise<void> {
    await Promise.all(Array.from(this.#tables, ([scope, table]) => this.#exchange(scope, table)));
  }

  async #exchange(scope: string, table: GcraTable): Promise<void> {
    const { edge, clock } = this.#parts;
    // What nobody hears now would be told late and all at once: it is forgotten, the table itself remembers.
    if (!edge.isReachable()) return table.forgetUses();
    const taken = table.takeUses(LIMIT_USES_MAX);
    if (taken.keys.length === 0) return;
    const { costsMs, aheadMsMax } = table;
    const sentAtMs = clock.monotonicMs();
    const uses = taken.keys.map((key, index) => ({
      key,
      requests: taken.counts[index] ?? 0,
      ageMs: Math.max(0, Math.round(sentAtMs - (taken.sinceMs[index] ?? sentAtMs))),
    }));
    const aheadMs = await this.#ask({ scope, costsMs, aheadMsMax, uses });
    if (aheadMs === null) return;
    taken.slots.forEach((slot, index) => {
      const own = aheadMs.slice(index * costsMs.length, (index + 1) * costsMs.length);
      table.learn({ slot, key: taken.keys[index] ?? "", aheadMs: own, atMs: sentAtMs });
    });
  }

  /** Null: no answer. The adapter has said so in the log. */
  async #ask(request: Parameters<EdgeState["shareLimits"]>[0]): Promise<readonly number[] | null> {
    try {
      return await this.#parts.edge.shareLimits(request);
    } catch (error) {
      if (!isFault(error, "EDGE_UNAVAILABLE"))
        this.#parts.log.error({ error }, "an exchange of limits failed by a bug");
      return null;
    }
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { min, max } = EXCHANGE_INTERVAL_MS;
    const delayMs = min + (max - min) * this.#parts.random.fraction();
    this.#cancelTimer = this.#parts.clock.setTimer(delayMs, () => {
      this.#round = this.exchangeOnce().finally(() => this.#schedule());
    });
  }
}
