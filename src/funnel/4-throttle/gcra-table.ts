/**
 * Rate limits for any number of keys in a fixed amount of memory: GCRA in a set-associative table.
 *
 * Each key has one theoretical arrival time per limit, in typed arrays made once. A key hashes to a set of eight slots;
 * a full set gives up the slot that is closest to unlimited, which under attack is nearly always one that has nothing
 * to remember. An attacker with endless keys therefore costs no memory and frees nobody who is limited hard. The hash
 * is keyed and its key a secret, so nobody can aim at another's slot. A table whose keys are hashed alike on all nodes can
 * record what was used and learn what others used (limit-exchange.ts); it only ever learns that more was used.
 */
import { hexOfWords, type KeyedHash } from "../keyed-hash.ts";
import { type SlotUses, UseRecord } from "./use-record.ts";

/** `count` requests per `periodMs`, all of which may come at once. */
export interface RateLimit {
  readonly count: number;
  readonly periodMs: number;
}

const WAYS = 8;
/** One retry wait is never longer than this, whatever the limit. */
export const WAIT_MS_MAX = 60_000;

/** What sums of fractions may be off: far below what anybody waits, far above what they are off. */
const ROUNDING_MS = 0.001;

/** See the head of this file. Times are monotonic milliseconds. */
export class GcraTable {
  readonly #hash: KeyedHash;
  readonly #setMask: number;
  readonly #limitCount: number;
  /** Per limit: the time one request costs, and how far ahead of now the arrival time may run. */
  readonly #costMs: Float64Array;
  readonly #aheadMs: Float64Array;
  readonly #keys: Uint32Array;
  readonly #arrivalMs: Float64Array;
  readonly #uses: UseRecord | null;

  /**
   * `entriesMax` is rounded up to a power of two. Limits of 0 are left out: they are switched off. `recordsUses` is for
   * tables that take part in the exchange: their hash must be the deployment's.
   */
  constructor(options: {
    hash: KeyedHash;
    limits: readonly RateLimit[];
    entriesMax: number;
    recordsUses?: boolean;
  }) {
    const limits = options.limits.filter((limit) => limit.count > 0);
    const entriesMax = limits.length === 0 ? 0 : options.entriesMax;
    const sets = 2 ** Math.ceil(Math.log2(Math.max(1, entriesMax / WAYS)));
    this.#hash = options.hash;
    this.#setMask = sets - 1;
    this.#limitCount = limits.length;
    this.#costMs = Float64Array.from(limits, (limit) => limit.periodMs / limit.count);
    this.#aheadMs = Float64Array.from(limits, (limit) => limit.periodMs - limit.periodMs / limit.count);
    // Written to now, so that the system gives the memory now: no flood makes the process any bigger.
    this.#keys = new Uint32Array(sets * WAYS * 2).fill(0);
    this.#arrivalMs = new Float64Array(sets * WAYS * limits.length).fill(Number.NEGATIVE_INFINITY);
    this.#uses = options.recordsUses === true && limits.length > 0 ? new UseRecord(sets * WAYS) : null;
  }

  /** True when no limit is on: then nothing is stored either. */
  get isOff(): boolean {
    return this.#limitCount === 0;
  }

  /** The slot of a key, taking one over if the key has none. Valid until the next call. */
  slotOf(key: string, nowMs: number): number {
    this.#hash.update(key);
    const { high, low } = this.#hash;
    // Zero marks a free slot, so no key may be zero.
    const first = high === 0 && low === 0 ? 1 : high;
    const keys = this.#keys;
    const start = (low & this.#setMask) * WAYS;
    let victim = start;
    let victimAheadMs = Number.POSITIVE_INFINITY;
    for (let slot = start; slot < start + WAYS; slot += 1) {
      if (keys[slot * 2] === first && keys[slot * 2 + 1] === low) return slot;
      const aheadMs = keys[slot * 2] === 0 && keys[slot * 2 + 1] === 0 ? -1 : this.#aheadOf(slot, nowMs);
      if (aheadMs < victimAheadMs) {
        victim = slot;
        victimAheadMs = aheadMs;
      }
    }
    keys[victim * 2] = first;
    keys[victim * 2 + 1] = low;
    this.#arrivalMs.fill(Number.NEGATIVE_INFINITY, victim * this.#limitCount, (victim + 1) * this.#limitCount);
    this.#uses?.forget(victim);
    return victim;
  }

  /** 0 when a request of this slot conforms to every limit now, else how long it should wait. Takes nothing. */
  waitMs(slot: number, nowMs: number): number {
    let waitMs = 0;
    for (let limit = 0; limit < this.#limitCount; limit += 1) {
      const arrivalMs = this.#arrivalMs[slot * this.#limitCount + limit] ?? 0;
      waitMs = Math.max(waitMs, arrivalMs - (this.#aheadMs[limit] ?? 0) - nowMs);
    }
    return waitMs <= ROUNDING_MS ? 0 : Math.min(waitMs, WAIT_MS_MAX);
  }

  /** Charges one request to the slot. */
  take(slot: number, nowMs: number): void {
    for (let limit = 0; limit < this.#limitCount; limit += 1) {
      const index = slot * this.#limitCount + limit;
      this.#arrivalMs[index] = Math.max(nowMs, this.#arrivalMs[index] ?? 0) + (this.#costMs[limit] ?? 0);
    }
    this.#uses?.note(slot, nowMs);
  }

  /** What one request costs of each limit, as time. */
  get costsMs(): readonly number[] {
    return [...this.#costMs];
  }

  /** No key runs further ahead than its whole allowance and the longest wait on top. */
  get aheadMsMax(): number {
    return Math.max(0, ...this.#aheadMs) + WAIT_MS_MAX;
  }

  /** The keys that were charged since the last call, the biggest users first, with the names all nodes know them by. */
  takeUses(keysMax: number): SlotUses & { readonly keys: readonly string[] } {
    const uses = this.#uses?.takeBiggest(keysMax) ?? { slots: [], counts: [], sinceMs: [] };
    return { ...uses, keys: uses.slots.map((slot) => this.#keyOf(slot)) };
  }

  /** Nobody is there to be told. */
  forgetUses(): void {
    this.#uses?.forgetAll();
  }

  /**
   * Learns how far ahead of `atMs` a key is on all nodes together, limit by limit, uses before `atMs` included. Nothing is
   * ever taken back: a lower figure than ours means that somebody forgot.
   */
  learn(request: { slot: number; key: string; aheadMs: readonly number[]; atMs: number }): void {
    const { slot, key, aheadMs, atMs } = request;
    if (this.#keyOf(slot) !== key) return;
    const usedSince = this.#uses?.countOf(slot) ?? 0;
    for (let limit = 0; limit < this.#limitCount; limit += 1) {
      const index = slot * this.#limitCount + limit;
      const knownMs = atMs + (aheadMs[limit] ?? 0) + usedSince * (this.#costMs[limit] ?? 0);
      this.#arrivalMs[index] = Math.max(this.#arrivalMs[index] ?? 0, knownMs);
    }
  }

  #keyOf(slot: number): string {
    return hexOfWords({ high: this.#keys[slot * 2] ?? 0, low: this.#keys[slot * 2 + 1] ?? 0 });
  }

  /** How much of its allowance a slot has used, as time; 0 = nothing to remember. */
  #aheadOf(slot: number, nowMs: number): number {
    let aheadMs = 0;
    for (let limit = 0; limit < this.#limitCount; limit += 1) {
      aheadMs = Math.max(aheadMs, (this.#arrivalMs[slot * this.#limitCount + limit] ?? 0) - nowMs);
    }
    return aheadMs;
  }
}
