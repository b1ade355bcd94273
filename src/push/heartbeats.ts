/**
 * Heartbeats: one timer for all streams, spread over the interval so that no instant writes to everybody.
 *
 * Streams are dealt to slots; each tick beats one slot. A stream that has reached its age is ended instead. The timer
 * runs only while there are streams. What a beat consists of is the hub's.
 */
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";

const SLOTS = 15;
const AGE_JITTER_FRACTION = 0.2;

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Each stream beats once in this time. */
  readonly intervalMs: number;
  readonly ageMsMax: number;
}

interface Beating {
  readonly beat: () => void;
  readonly endsAtMs: number;
}

interface Closable {
  close(): void;
}

export class Heartbeats {
  readonly #options: HeartbeatOptions;
  readonly #slots: readonly Map<Closable, Beating>[] = Array.from({ length: SLOTS }, () => new Map());
  #count = 0;
  #dealt = 0;
  #tick = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  add(stream: Closable, beat: () => void): void {
    const { clock, random, ageMsMax } = this.#options;
    const endsAtMs = clock.monotonicMs() + ageMsMax * (1 - AGE_JITTER_FRACTION * random.fraction());
    this.#slots[this.#dealt % SLOTS]?.set(stream, { beat, endsAtMs });
    this.#dealt += 1;
    this.#count += 1;
    if (this.#cancelTimer === null) this.#schedule();
  }

  delete(stream: Closable): void {
    if (!this.#slots.some((slot) => slot.delete(stream))) return;
    this.#count -= 1;
    if (this.#count > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #schedule(): void {
    const { clock, intervalMs } = this.#options;
    this.#cancelTimer = clock.setTimer(intervalMs / SLOTS, () => {
      this.#cancelTimer = null;
      this.#beatSlot();
      if (this.#count > 0 && this.#cancelTimer === null) this.#schedule();
    });
  }

  #beatSlot(): void {
    const slot = this.#slots[this.#tick % SLOTS];
    this.#tick += 1;
    const nowMs = this.#options.clock.monotonicMs();
    for (const [stream, { beat, endsAtMs }] of [...(slot ?? [])]) {
      if (nowMs >= endsAtMs) stream.close();
      else beat();
    }
  }
}
