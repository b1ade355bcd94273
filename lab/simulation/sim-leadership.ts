/**
 * Leading, as an advisory lock gives it: one process at a time, with a former leader that may not know yet.
 *
 * A leader that is frozen is replaced after a while; when it goes on it still believes for a moment that it leads, which is
 * exactly when two conductors work at once. When Postgres is away nobody leads. The lock moves when somebody asks: the
 * conductors do, several times a second.
 */
import type { Leadership } from "../../src/ports/leadership.ts";
import type { SimProcess, Timeline } from "./timeline.ts";

/** A leader that was not seen for so long is replaced. */
const FROZEN_MS_MAX = 2_000;
/** How long a replaced leader goes on believing. */
const BELIEF_MS = 150;

/** Who holds the lock, and when he was seen last. */
export class LeaderLock {
  holder: SimProcess | null = null;
  seenAtMs = 0;
  /** Everybody leads until then. */
  isIgnoredUntilMs = 0;
}

export interface SimLeadershipParts {
  readonly lock: LeaderLock;
  readonly process: SimProcess;
  readonly timeline: Timeline;
  readonly canReachPostgres: () => boolean;
}

/** See the head of this file. */
export class SimLeadership implements Pick<Leadership, "isHeld"> {
  readonly #parts: SimLeadershipParts;
  /** Believes to lead until then, whatever became of the lock. */
  #believesUntilMs = 0;

  constructor(parts: SimLeadershipParts) {
    this.#parts = parts;
  }

  get isHeld(): boolean {
    const { lock, process, timeline, canReachPostgres } = this.#parts;
    const nowMs = timeline.nowMs;
    if (nowMs < lock.isIgnoredUntilMs) return true;
    if (!canReachPostgres()) {
      if (lock.holder === process) lock.holder = null;
      return nowMs < this.#believesUntilMs;
    }
    const isOurs = lock.holder === process;
    const isFree = lock.holder === null || lock.holder.state === "dead" || nowMs - lock.seenAtMs > FROZEN_MS_MAX;
    if (!isOurs && !isFree) {
      // Who was replaced while it was frozen finds out a moment after it goes on.
      if (this.#believesUntilMs === Number.POSITIVE_INFINITY) this.#believesUntilMs = nowMs + BELIEF_MS;
      return nowMs < this.#believesUntilMs;
    }
    lock.holder = process;
    lock.seenAtMs = nowMs;
    this.#believesUntilMs = Number.POSITIVE_INFINITY;
    return true;
  }
}
