/**
 * From which device each account came last, as two hashes: so that what is learnt later of the account counts for both.
 */
import { type HashedKey, SlotTable } from "./slot-table.ts";

export class DeviceBook {
  readonly #slots: SlotTable;
  readonly #devices: Uint32Array;
  readonly #atMs: Float64Array;

  constructor(options: { entriesMax: number }) {
    this.#slots = new SlotTable({
      entriesMax: options.entriesMax,
      owner: {
        // The one that was here most recently is the one that may still leave a hold unpaid.
        worthOf: (slot) => this.#atMs[slot] ?? 0,
        clear: (slot) => {
          this.#devices[slot * 2] = 0;
          this.#devices[slot * 2 + 1] = 0;
        },
      },
    });
    this.#devices = new Uint32Array(this.#slots.size * 2);
    this.#atMs = new Float64Array(this.#slots.size);
  }

  note(account: HashedKey, device: HashedKey, nowMs: number): void {
    const slot = this.#slots.take(account, nowMs);
    this.#devices[slot * 2] = device.high;
    this.#devices[slot * 2 + 1] = device.low;
    this.#atMs[slot] = nowMs;
  }

  /** The account's device, or null when it was not seen here. */
  find(account: HashedKey): HashedKey | null {
    const slot = this.#slots.find(account);
    if (slot < 0) return null;
    return { high: this.#devices[slot * 2] ?? 0, low: this.#devices[slot * 2 + 1] ?? 0 };
  }
}
