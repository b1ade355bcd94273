/**
 * Who was told to wait, and until when: coming again before that is what tells a hammer from a hand.
 *
 * Being refused by a limit is no offence, many are on a good day; not listening to `Retry-After` is how a loop behaves.
 */
import { type HashedKey, SlotTable } from "./slot-table.ts";

/** Clocks and networks shorten waits a little. */
const GRACE_MS = 100;

export class ToldWaits {
  readonly #slots: SlotTable;
  readonly #untilMs: Float64Array;

  constructor(options: { entriesMax: number }) {
    this.#slots = new SlotTable({
      entriesMax: options.entriesMax,
      owner: {
        worthOf: (slot, nowMs) => Math.max(0, (this.#untilMs[slot] ?? 0) - nowMs),
        clear: (slot) => {
          this.#untilMs[slot] = Number.NEGATIVE_INFINITY;
        },
      },
    });
    this.#untilMs = new Float64Array(this.#slots.size);
  }

  /** Notes that the account was told to wait; true when it should have been waiting already. Monotonic milliseconds. */
  tell(account: HashedKey, waitMs: number, nowMs: number): boolean {
    const slot = this.#slots.take(account, nowMs);
    const hadToWait = nowMs + GRACE_MS < (this.#untilMs[slot] ?? 0);
    this.#untilMs[slot] = nowMs + waitMs;
    return hadToWait;
  }
}
