/**
 * How evenly an account's attempts follow each other: a person's vary by a fifth and more, a loop's hardly at all.
 *
 * Per account the last time, the usual distance and the usual deviation from it, both smoothed. Attempts in a row that
 * keep the beat are counted; one that does not starts the count anew, so a person who is even by chance is soon forgotten. Our own
 * client spreads its retries, so it never has a rhythm.
 */
import { type HashedKey, SlotTable } from "./slot-table.ts";

/** Deviation of a distance that still counts as the same beat. */
const EVEN_FRACTION = 0.04;
/** A timer is this exact at best; below it even distances say nothing. */
const EVEN_MS_MIN = 4;
/** Slower than this is nobody's loop. */
const DISTANCE_MS_MAX = 30_000;
/** Weight of the newest distance. */
const SMOOTHING = 0.25;

export class Rhythm {
  readonly #slots: SlotTable;
  readonly #lastMs: Float64Array;
  readonly #distanceMs: Float32Array;
  readonly #beats: Uint16Array;

  constructor(options: { entriesMax: number }) {
    this.#slots = new SlotTable({
      entriesMax: options.entriesMax,
      owner: {
        worthOf: (slot, nowMs) => (nowMs - (this.#lastMs[slot] ?? 0) > DISTANCE_MS_MAX ? 0 : (this.#beats[slot] ?? 0)),
        clear: (slot) => {
          this.#lastMs[slot] = Number.NEGATIVE_INFINITY;
          this.#distanceMs[slot] = 0;
          this.#beats[slot] = 0;
        },
      },
    });
    this.#lastMs = new Float64Array(this.#slots.size);
    this.#distanceMs = new Float32Array(this.#slots.size);
    this.#beats = new Uint16Array(this.#slots.size);
  }

  /** Notes an attempt and answers how many in a row kept the beat. Monotonic milliseconds. */
  note(account: HashedKey, nowMs: number): number {
    const slot = this.#slots.take(account, nowMs);
    const distanceMs = nowMs - (this.#lastMs[slot] ?? 0);
    const usualMs = this.#distanceMs[slot] ?? 0;
    this.#lastMs[slot] = nowMs;
    if (distanceMs > DISTANCE_MS_MAX) {
      this.#distanceMs[slot] = 0;
      this.#beats[slot] = 0;
      return 0;
    }
    const isOnBeat = Math.abs(distanceMs - usualMs) <= Math.max(usualMs * EVEN_FRACTION, EVEN_MS_MIN);
    const beats = isOnBeat && usualMs > EVEN_MS_MIN * 2 ? Math.min((this.#beats[slot] ?? 0) + 1, 65_535) : 0;
    this.#beats[slot] = beats;
    this.#distanceMs[slot] = beats > 0 ? usualMs + (distanceMs - usualMs) * SMOOTHING : distanceMs;
    return beats;
  }
}
