/**
 * Leading, as an advisory lock gives it: one process at a time, with a former leader that may not know yet.
 *
 * A leader that is frozen is replaced after a while; when it goes on it still believes for a moment that it leads, which is
 * exactly when two conductors work at once. When Postgres is away nobody leads.
 */
import type { Leadership } from "../../src/ports/leadership.ts";
import type { SimProcess, Timeline } from "./timeline.ts";

const CANDIDATE_INTERVAL_MS = 400;
/** A leader that did nothing for so long is replaced. */
const FROZEN_MS_MAX = 2_000;
/** How long a replaced leader goes on believing. */
const BELIEF_MS = 150;

/** Who holds the lock. */
export class LeaderLock {
  holder: SimProcess | null = null;
  seenAtMs = 0;
}

export interface SimLeadershipParts {
  readonly lock: LeaderLock;
  readonly process: SimProcess;
  readonly timeline: Timeline;
  readonly canReachPostgres: () => boolean;
}

/** See the head of this file. */
export class SimLeadership implements Leadership {
  readonly #parts: SimLeadershipParts;
  #believes = false;
  #isStopped = false;

  constructor(parts: SimLeadershipParts) {
    this.#parts = parts;
  }

  get isHeld(): boolean {
    return this.#believes;
  }

  start(): void {
    this.#try();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#believes = false;
    if (this.#parts.lock.holder === this.#parts.process) this.#parts.lock.holder = null;
  }

  #try(): void {
    if (this.#isStopped) return;
    const { lock, process, timeline, canReachPostgres } = this.#parts;
    const isOurs = lock.holder === process;
    if (!canReachPostgres()) {
      if (isOurs) lock.holder = null;
      this.#disbelieve();
    } else if (isOurs) {
      lock.seenAtMs = timeline.nowMs;
    } else {
      this.#disbelieve();
      const isFree = lock.holder === null || lock.holder.state === "dead";
      if (isFree || timeline.nowMs - lock.seenAtMs > FROZEN_MS_MAX) {
        lock.holder = process;
        lock.seenAtMs = timeline.nowMs;
        this.#believes = true;
      }
    }
    timeline.after(process, CANDIDATE_INTERVAL_MS, () => this.#try());
  }

  #disbelieve(): void {
    if (!this.#believes) return;
    this.#parts.timeline.after(this.#parts.process, BELIEF_MS, () => {
      if (this.#parts.lock.holder !== this.#parts.process) this.#believes = false;
    });
  }
}
