/**
 * The slow lane: whom the score slows down, one attempt at a time gets through, each a while after the one before.
 *
 * The first attempt waits as well, so that at the opening the unsuspected are served first. The lane belongs to the computer
 * where it is known, else to the account: a hundred accounts of one computer wait in one lane. Being slow is all that
 * happens here; who waits as long as he is told gets through.
 */
import { type HashedKey, SlotTable } from "./slot-table.ts";

/** A lane that nobody used for this many distances is empty again. */
const FORGOTTEN_AFTER = 10;

export class SlowLane {
  readonly #slots: SlotTable;
  readonly #distanceMs: number;
  readonly #openMs: Float64Array;

  constructor(options: { entriesMax: number; distanceMs: number }) {
    this.#slots = new SlotTable({
      entriesMax: options.entriesMax,
      owner: {
        worthOf: (slot, nowMs) => (this.#isForgotten(slot, nowMs) ? 0 : (this.#openMs[slot] ?? 0)),
        clear: (slot) => {
          this.#openMs[slot] = Number.NEGATIVE_INFINITY;
        },
      },
    });
    this.#distanceMs = options.distanceMs;
    this.#openMs = new Float64Array(this.#slots.size);
  }

  /** 0 = this attempt gets through; else how long until the next one does. Monotonic milliseconds. */
  enter(key: HashedKey, nowMs: number): number {
    const slot = this.#slots.take(key, nowMs);
    const openMs = this.#openMs[slot] ?? Number.NEGATIVE_INFINITY;
    if (this.#isForgotten(slot, nowMs)) {
      this.#openMs[slot] = nowMs + this.#distanceMs;
      return this.#distanceMs;
    }
    if (nowMs < openMs) return openMs - nowMs;
    this.#openMs[slot] = nowMs + this.#distanceMs;
    return 0;
  }

  #isForgotten(slot: number, nowMs: number): boolean {
    return nowMs - (this.#openMs[slot] ?? 0) > FORGOTTEN_AFTER * this.#distanceMs;
  }
}
