/**
 * Notices that the buckets of an item owe an answer for longer than they should.
 *
 * Cheap enough to be asked for every attempt. A stall begins when a call is open (or the last one failed) and nothing was
 * answered for a while; any answer, even a refusal by the fence, ends it.
 */
import type { Clock } from "../ports/clock.ts";

/** An answer that takes longer than this is a stall: a call usually takes a millisecond. */
export const STALL_MS = 250;

interface Watch {
  openCalls: number;
  hasFailed: boolean;
  /** When something was answered last or, without an answer, when the first open call began. */
  sinceMs: number;
}

/** A call that began; give it back to `end`. */
export type WatchedCall = Watch;

/** See the head of this file. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #watches = new Map<number, Watch>();
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(itemId: number): WatchedCall {
    const nowMs = this.#clock.monotonicMs();
    let watch = this.#watches.get(itemId);
    if (watch === undefined) {
      watch = { openCalls: 0, hasFailed: false, sinceMs: nowMs };
      this.#watches.set(itemId, watch);
    }
    if (watch.openCalls === 0 && !watch.hasFailed) watch.sinceMs = nowMs;
    watch.openCalls += 1;
    return watch;
  }

  end(call: WatchedCall, result: { readonly isAnswer: boolean }): void {
    call.openCalls -= 1;
    call.hasFailed = !result.isAnswer;
    if (!result.isAnswer) return;
    call.sinceMs = this.#clock.monotonicMs();
    this.#answeredAtMs = call.sinceMs;
  }

  isStalled(itemId: number): boolean {
    const watch = this.#watches.get(itemId);
    if (watch === undefined || (watch.openCalls === 0 && !watch.hasFailed)) return false;
    return this.#clock.monotonicMs() - watch.sinceMs > STALL_MS;
  }

  /** Since the last answer for any item; Infinity before the first. */
  answerAgeMs(): number {
    return this.#clock.monotonicMs() - this.#answeredAtMs;
  }
}
