/**
 * Waits for acceptances of many buckets with one question for all of them: soon after the last one, seldom when all are quiet.
 *
 * A lane (commit-lane.ts) hands in its stream and hears of it when there is something to commit, or when it is time to look for
 * what others left behind: hundreds of sales cost what one command costs, and one that was quiet is found as quickly as its
 * neighbours are. What was read belongs to this worker, so a stream that is asked about is answered, even when its lane gave up
 * waiting.
 */
import { isFault } from "../domain/faults.ts";
import type { BucketEpoch, BucketStore, StreamEntry } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

/**
 * The first question after news; each that finds nothing doubles the pause before the next. Whoever was accepted while the lanes
 * were quiet wakes them; where that is lost, the longest pause is still shorter than an answer waits for its commit.
 */
const ASK_INTERVAL_MS = { min: 2, max: 100 };
/** A question about many streams takes longer: so much more pause for each. */
const ASK_INTERVAL_MS_PER_STREAM = 0.03;
/** A lane looks after itself this often, whatever happens here; hundreds of lanes less often, so many a second together. */
export const WAIT_MS_MAX = 1_000;
const RETURNS_PER_S_MAX = 200;
/** Of each stream: when all of them wake at once, the answer is still a small one. */
const ENTRIES_MAX = 8;

export interface IdleStreamsParts {
  readonly store: Pick<BucketStore, "readNewOfEach">;
  readonly consumerId: string;
  /** True while nothing may be read. */
  readonly isPaused: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface StreamNews {
  readonly entries: readonly StreamEntry[];
  /** False: there may be more, or the stream could not be read together with the others; the lane reads by itself. */
  readonly isAll: boolean;
}

interface Waiter {
  readonly stream: BucketEpoch;
  readonly sinceMs: number;
  readonly resolve: (news: StreamNews) => void;
  /** Its stream is being read: only the answer ends the waiting. */
  isAsked: boolean;
  isCancelled: boolean;
  /** Something came while its stream was being read: what was read may be older. */
  isWoken: boolean;
}

const NOTHING: StreamNews = { entries: [], isAll: true };
const UNKNOWN: StreamNews = { entries: [], isAll: false };

/** See the head of this file. One per worker. */
export class IdleStreams {
  readonly #parts: IdleStreamsParts;
  readonly #waiters = new Set<Waiter>();
  #intervalMs = ASK_INTERVAL_MS.min;
  #cancelTimer: (() => void) | null = null;
  #isAsking = false;

  constructor(parts: IdleStreamsParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with what is new in the stream; with nothing when it was cancelled or took its time. `wasActive`: something came
   * a moment ago, and more may follow.
   */
  wait(
    stream: BucketEpoch,
    { wasActive }: { readonly wasActive: boolean },
  ): { readonly news: Promise<StreamNews>; readonly cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<StreamNews>();
    const sinceMs = this.#parts.clock.monotonicMs();
    const waiter: Waiter = { stream, sinceMs, resolve, isAsked: false, isCancelled: false, isWoken: false };
    this.#waiters.add(waiter);
    if (wasActive && this.#intervalMs > ASK_INTERVAL_MS.min) {
      this.#intervalMs = ASK_INTERVAL_MS.min;
      this.#stopTimer();
    }
    this.#schedule();
    const cancel = (): void => {
      waiter.isCancelled = true;
      if (!waiter.isAsked) this.#end(waiter, NOTHING);
      if (this.#waiters.size === 0) this.#stopTimer();
    };
    return { news: promise, cancel };
  }

  /** Somebody says that there is something in a stream now: its lane, if it waits here, reads by itself. */
  wake({ itemId, bucket, epoch }: BucketEpoch): void {
    for (const waiter of this.#waiters) {
      const { stream } = waiter;
      if (stream.itemId !== itemId || stream.bucket !== bucket || stream.epoch !== epoch) continue;
      if (waiter.isAsked) waiter.isWoken = true;
      else this.#end(waiter, UNKNOWN);
    }
    if (this.#waiters.size === 0) this.#stopTimer();
  }

  #end(waiter: Waiter, news: StreamNews): void {
    this.#waiters.delete(waiter);
    waiter.resolve(news);
  }

  #schedule(): void {
    if (this.#cancelTimer !== null || this.#isAsking || this.#waiters.size === 0) return;
    const { clock, random } = this.#parts;
    const intervalMs = this.#intervalMs + this.#waiters.size * ASK_INTERVAL_MS_PER_STREAM;
    this.#cancelTimer = clock.setTimer(intervalMs * (0.8 + 0.4 * random.fraction()), () => {
      this.#cancelTimer = null;
      void this.#ask();
    });
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const asked = [...this.#waiters];
    for (const waiter of asked) waiter.isAsked = true;
    const lists = await this.#read(asked.map(({ stream }) => stream));
    this.#isAsking = false;
    const hasNews = lists?.some((entries) => entries !== null && entries.length > 0) ?? false;
    this.#intervalMs = hasNews ? ASK_INTERVAL_MS.min : Math.min(this.#intervalMs * 2, ASK_INTERVAL_MS.max);
    const nowMs = this.#parts.clock.monotonicMs();
    const waitMsMax = Math.max(WAIT_MS_MAX, (asked.length * 1_000) / RETURNS_PER_S_MAX);
    for (const [index, waiter] of asked.entries()) {
      waiter.isAsked = false;
      const entries = lists === null ? null : (lists[index] ?? null);
      if (entries === null) this.#end(waiter, UNKNOWN);
      else if (entries.length > 0) this.#end(waiter, { entries, isAll: entries.length < ENTRIES_MAX });
      else if (waiter.isWoken) this.#end(waiter, UNKNOWN);
      else if (waiter.isCancelled || nowMs - waiter.sinceMs >= waitMsMax) this.#end(waiter, NOTHING);
    }
    this.#schedule();
  }

  /** Null: they could not be read, and each lane asks for itself. Never rejects. */
  async #read(streams: readonly BucketEpoch[]): Promise<readonly (readonly StreamEntry[] | null)[] | null> {
    const { store, consumerId, isPaused, log } = this.#parts;
    if (isPaused()) return streams.map(() => []);
    try {
      return await store.readNewOfEach({ streams, consumerId, entriesMax: ENTRIES_MAX });
    } catch (error) {
      const fields = { streams: streams.length, error };
      if (isFault(error)) log.debug(fields, "the acceptances of several buckets could not be read");
      else log.error(fields, "reading the acceptances of several buckets failed; each is read by itself");
      return null;
    }
  }
}
