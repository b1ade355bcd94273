/**
 * What was charged to each slot of a table since it was last told to the edge; the biggest users are told first.
 *
 * Noting a use is one addition on the hot path and allocates nothing. Slots wait in a list of fixed length: when a crowd
 * fills it, uses beyond it are not shared (the process's own limits still count them). Uses that were handed out are
 * gone, whether the edge heard of them or not: sending them again could charge them twice.
 */

/** Slots that wait at most. */
export const SLOTS_LISTED_MAX = 16_384;
/** Counts above this are equally big. */
const COUNT_COMPARED_MAX = 255;
/** More than a process lets through between two exchanges, so that a sale's uses, too, are told in full. */
const COUNT_MAX = 65_535;

/** Parallel arrays, an element a slot. */
export interface SlotUses {
  readonly slots: readonly number[];
  readonly counts: readonly number[];
  /** When the first use of each was, monotonic milliseconds. */
  readonly sinceMs: readonly number[];
}

const NONE: SlotUses = { slots: [], counts: [], sinceMs: [] };

/** See the head of this file. */
export class UseRecord {
  // Written to now, so that the system gives the memory now: no flood makes the process any bigger.
  readonly #counts: Uint16Array;
  readonly #listed = new Uint32Array(SLOTS_LISTED_MAX).fill(0);
  readonly #sinceMs = new Float64Array(SLOTS_LISTED_MAX).fill(0);
  readonly #slotsByCount = new Uint32Array(COUNT_COMPARED_MAX + 1);
  #length = 0;

  constructor(slotCount: number) {
    this.#counts = new Uint16Array(slotCount).fill(0);
  }

  note(slot: number, nowMs: number): void {
    const count = this.#counts[slot] ?? 0;
    if (count === 0) {
      if (this.#length === SLOTS_LISTED_MAX) return;
      this.#listed[this.#length] = slot;
      this.#sinceMs[this.#length] = nowMs;
      this.#length += 1;
    }
    if (count < COUNT_MAX) this.#counts[slot] = count + 1;
  }

  /** Uses of the slot that were not handed out yet. */
  countOf(slot: number): number {
    return this.#counts[slot] ?? 0;
  }

  /** The slot belongs to another key now. */
  forget(slot: number): void {
    this.#counts[slot] = 0;
  }

  forgetAll(): void {
    for (let index = 0; index < this.#length; index += 1) this.#counts[this.#listed[index] ?? 0] = 0;
    this.#length = 0;
  }

  /** Hands out at most `slotsMax`, biggest count first, of equals those that waited longest. The rest keeps waiting. */
  takeBiggest(slotsMax: number): SlotUses {
    if (this.#length === 0) return NONE;
    const limit = this.#countThatFits(slotsMax);
    const slots: number[] = [];
    const counts: number[] = [];
    const sinceMs: number[] = [];
    let kept = 0;
    for (let index = 0; index < this.#length; index += 1) {
      const slot = this.#listed[index] ?? 0;
      const count = this.#counts[slot] ?? 0;
      if (count === 0) continue;
      const compared = Math.min(count, COUNT_COMPARED_MAX);
      const isBig = compared > limit.count;
      if (isBig || (compared === limit.count && limit.room > 0)) {
        if (!isBig) limit.room -= 1;
        slots.push(slot);
        counts.push(count);
        sinceMs.push(this.#sinceMs[index] ?? 0);
        this.#counts[slot] = 0;
      } else {
        this.#listed[kept] = slot;
        this.#sinceMs[kept] = this.#sinceMs[index] ?? 0;
        kept += 1;
      }
    }
    this.#length = kept;
    return { slots, counts, sinceMs };
  }

  /** All slots above `count` fit, and `room` of those with exactly that count. Counting instead of sorting. */
  #countThatFits(slotsMax: number): { count: number; room: number } {
    const byCount = this.#slotsByCount.fill(0);
    for (let index = 0; index < this.#length; index += 1) {
      const count = Math.min(this.#counts[this.#listed[index] ?? 0] ?? 0, COUNT_COMPARED_MAX);
      byCount[count] = (byCount[count] ?? 0) + 1;
    }
    let count = COUNT_COMPARED_MAX;
    let room = slotsMax;
    while (count > 1 && (byCount[count] ?? 0) <= room) {
      room -= byCount[count] ?? 0;
      count -= 1;
    }
    return { count, room };
  }
}
