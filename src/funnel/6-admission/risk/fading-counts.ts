/**
 * What was held against accounts and devices lately: counts that halve every few minutes, in a fixed amount of memory.
 *
 * Fading instead of a list of times: one number per kind and key, and nobody is suspect for ever for one bad evening.
 */
import { type HashedKey, SlotTable } from "./slot-table.ts";

/** What is counted. */
export const FADING_KINDS = ["hammering", "failed_challenges", "dropped_holds"] as const;
export type FadingKind = (typeof FADING_KINDS)[number];

const KINDS = FADING_KINDS.length;
/** Below this a count is as good as forgotten. */
const NOTHING = 0.25;

export class FadingCounts {
  readonly #slots: SlotTable;
  readonly #halfLifeMs: number;
  readonly #counts: Float32Array;
  readonly #atMs: Float64Array;

  constructor(options: { entriesMax: number; halfLifeMs: number }) {
    this.#slots = new SlotTable({
      entriesMax: options.entriesMax,
      owner: {
        worthOf: (slot, nowMs) => this.#sumOf(slot, nowMs),
        clear: (slot) => this.#counts.fill(0, slot * KINDS, (slot + 1) * KINDS),
      },
    });
    this.#halfLifeMs = options.halfLifeMs;
    this.#counts = new Float32Array(this.#slots.size * KINDS);
    this.#atMs = new Float64Array(this.#slots.size);
  }

  /** Counts one more (or `times` more) of a kind. Monotonic milliseconds. */
  add(key: HashedKey, kind: FadingKind, nowMs: number, times = 1): void {
    const slot = this.#slots.take(key, nowMs);
    const left = this.#leftOf(slot, nowMs);
    for (let index = slot * KINDS; index < (slot + 1) * KINDS; index += 1) {
      this.#counts[index] = (this.#counts[index] ?? 0) * left;
    }
    this.#atMs[slot] = nowMs;
    const index = slot * KINDS + FADING_KINDS.indexOf(kind);
    this.#counts[index] = (this.#counts[index] ?? 0) + times;
  }

  /** The slot of a key for {@link readAt}, or -1 when nothing is held against it. */
  find(key: HashedKey): number {
    return this.#slots.find(key);
  }

  /** What is left of a count now. */
  readAt(slot: number, kind: FadingKind, nowMs: number): number {
    if (slot < 0) return 0;
    const count = (this.#counts[slot * KINDS + FADING_KINDS.indexOf(kind)] ?? 0) * this.#leftOf(slot, nowMs);
    return count < NOTHING ? 0 : count;
  }

  #leftOf(slot: number, nowMs: number): number {
    const ageMs = nowMs - (this.#atMs[slot] ?? 0);
    return ageMs <= 0 ? 1 : 2 ** (-ageMs / this.#halfLifeMs);
  }

  #sumOf(slot: number, nowMs: number): number {
    let sum = 0;
    for (let index = slot * KINDS; index < (slot + 1) * KINDS; index += 1) sum += this.#counts[index] ?? 0;
    return sum * this.#leftOf(slot, nowMs);
  }
}
