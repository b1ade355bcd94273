/**
 * Waits for acceptances of many quiet buckets with one question for all of them, about ten times a second.
 *
 * A lane that found nothing for a while (commit-lane.ts) hands in its stream and hears of it only when there is something
 * to commit, or when it is time to look for what others left behind: hundreds of quiet sales cost what one command costs.
 * What was read belongs to this worker, so a stream that is asked about is answered, even when its lane gave up waiting.
 */
import { isFault } from "../domain/faults.ts";
import type { BucketEpoch, BucketStore, StreamEntry } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";

const ASK_INTERVAL_MS = 100;
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

interface Waiter {
  readonly stream: BucketEpoch;
  readonly sinceMs: number;
  readonly resolve: (entries: readonly StreamEntry[]) => void;
  /** Its stream is being read: only the answer ends the waiting. */
  isAsked: boolean;
  isCancelled: boolean;
}

/** See the head of this file. One per worker. */
export class IdleStreams {
  readonly #parts: IdleStreamsParts;
  readonly #waiters = new Set<Waiter>();
  #cancelTimer: (() => void) | null = null;
  #isAsking = false;

  constructor(parts: IdleStreamsParts) {
    this.#parts = parts;
  }

  /** Resolves with what is new in the stream; with nothing when it could not be read, was cancelled, or took its time. */
  wait(stream: BucketEpoch): { readonly entries: Promise<readonly StreamEntry[]>; readonly cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<readonly StreamEntry[]>();
    const sinceMs = this.#parts.clock.monotonicMs();
    const waiter: Waiter = { stream, sinceMs, resolve, isAsked: false, isCancelled: false };
    this.#waiters.add(waiter);
    this.#schedule();
    const cancel = (): void => {
      waiter.isCancelled = true;
      if (!waiter.isAsked) this.#end(waiter, []);
      if (this.#waiters.size === 0) this.#stopTimer();
    };
    return { entries: promise, cancel };
  }

  #end(waiter: Waiter, entries: readonly StreamEntry[]): void {
    this.#waiters.delete(waiter);
    waiter.resolve(entries);
  }

  #schedule(): void {
    if (this.#cancelTimer !== null || this.#isAsking || this.#waiters.size === 0) return;
    const { clock, random } = this.#parts;
    this.#cancelTimer = clock.setTimer(ASK_INTERVAL_MS * (0.8 + 0.4 * random.fraction()), () => {
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
    const nowMs = this.#parts.clock.monotonicMs();
    const waitMsMax = Math.max(WAIT_MS_MAX, (asked.length * 1_000) / RETURNS_PER_S_MAX);
    for (const [index, waiter] of asked.entries()) {
      waiter.isAsked = false;
      const entries = lists?.[index] ?? [];
      const isOver = lists === null || waiter.isCancelled || nowMs - waiter.sinceMs >= waitMsMax;
      if (entries.length > 0 || isOver) this.#end(waiter, entries);
    }
    this.#schedule();
  }

  /** Null: they could not be read, and each lane asks for itself. Never rejects. */
  async #read(streams: readonly BucketEpoch[]): Promise<readonly (readonly StreamEntry[])[] | null> {
    const { store, consumerId, isPaused, log } = this.#parts;
    if (isPaused()) return [];
    try {
      return await store.readNewOfEach({ streams, consumerId, entriesMax: ENTRIES_MAX });
    } catch (error) {
      const fields = { streams: streams.length, error };
      if (isFault(error)) log.debug(fields, "the acceptances of quiet buckets could not be read");
      else log.error(fields, "reading the acceptances of quiet buckets failed; each is read by itself");
      return null;
    }
  }
}
