/**
 * The Redis servers of a simulation: one primary, its past, and for a while perhaps a former primary that lives on.
 *
 * A crash is the primary's own past under a new run id, a failover is somebody else's copy of that past. Whether anything
 * was lost is remembered, because only then may a queued reservation be.
 */

import type { SeededRandom } from "../swarm/seeded-random.ts";
import type { ServerData } from "./model/bucket-data.ts";
import { BucketModel } from "./model/bucket-model.ts";
import type { BucketRules } from "./model/bucket-scripts.ts";
import { type SimProcess, START_MS, type Timeline } from "./timeline.ts";

/** From here on an outage is long enough for the sale to go on without what Redis knows. */
const OUTAGE_LOSES_MS = 1_000;

/** See the head of this file. */
export class RedisSide {
  readonly #timeline: Timeline;
  readonly #rules: Partial<BucketRules>;
  readonly #snapshots = new Map<number, ServerData>();
  readonly #stayers = new Set<string>();
  #runCount = 0;
  #former: BucketModel | null = null;
  #splitUntilMs = 0;
  primary: BucketModel;
  /** Nobody reaches it before. */
  downUntilMs = 0;
  /** Since when nobody reaches it, while it is down. */
  downSinceMs = 0;
  skewMs = 0;
  /** Some acceptance may have been forgotten, or could not be read in time. */
  hasLost = false;
  /** Somebody deleted entries of a stream by hand. */
  hasLostEntries = false;
  /** An epoch was ended by somebody who could not read what it had accepted. */
  hasUnread = false;

  constructor(timeline: Timeline, rules: Partial<BucketRules>) {
    this.#timeline = timeline;
    this.#rules = rules;
    this.primary = this.#server();
  }

  /** Some acceptance may be written down nowhere any more. */
  get hasForgotten(): boolean {
    return this.hasLost || this.hasLostEntries;
  }

  /** Every server that answers somebody. */
  get servers(): readonly BucketModel[] {
    return this.#former === null ? [this.primary] : [this.primary, this.#former];
  }

  isDown(): boolean {
    return this.#timeline.nowMs < this.downUntilMs;
  }

  /** The server that this process talks to. */
  routeOf(process: SimProcess): BucketModel {
    return this.#former !== null && this.#stayers.has(process.id) ? this.#former : this.primary;
  }

  takeSnapshot(key: number): void {
    this.#snapshots.set(key, this.primary.snapshot());
  }

  crash(key: number, forMs: number): void {
    const past = this.#snapshots.get(key);
    if (past !== undefined) {
      this.primary.restore(past);
      this.hasLost = true;
    }
    this.primary.runId = this.#nextRunId();
    this.endFailover();
    this.outage(forMs);
  }

  failOver(key: number, stayers: readonly string[]): void {
    const former = this.primary;
    this.primary = this.#server();
    this.primary.restore(this.#snapshots.get(key) ?? former.snapshot());
    this.#former = former;
    this.#stayers.clear();
    for (const id of stayers) this.#stayers.add(id);
    this.hasLost = true;
  }

  /** The former primary is gone for good; everybody talks to the new one. */
  endFailover(): void {
    if (this.#former !== null) this.#splitUntilMs = this.#timeline.nowMs;
    this.#former = null;
  }

  /** Two servers were taken for the ledger's by different processes, now or since then. */
  wasSplitSince(sinceMs: number): boolean {
    return this.#former !== null || this.#splitUntilMs > sinceMs;
  }

  /** Who cannot be read when a drain would read it may have accepted what nobody will hear of. */
  outage(forMs: number): void {
    if (forMs >= OUTAGE_LOSES_MS) this.hasLost = true;
    if (!this.isDown()) this.downSinceMs = this.#timeline.nowMs;
    this.downUntilMs = Math.max(this.downUntilMs, this.#timeline.nowMs + forMs);
  }

  /** Somebody deletes entries of every stream by hand. */
  deleteEntries(entries: number, random: SeededRandom): void {
    for (const stream of this.primary.data.streams.values()) {
      for (let count = 0; count < entries && stream.entries.length > 0; count += 1) {
        stream.entries.splice(random.below(stream.entries.length), 1);
      }
    }
    this.hasLostEntries = true;
  }

  #server(): BucketModel {
    const nowMs = () => START_MS + Math.floor(this.#timeline.nowMs) + this.skewMs;
    return new BucketModel({ nowMs, runId: this.#nextRunId(), rules: this.#rules });
  }

  #nextRunId(): string {
    this.#runCount += 1;
    return `run-${this.#runCount}`;
  }
}
