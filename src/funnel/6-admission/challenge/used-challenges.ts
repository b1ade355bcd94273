/**
 * Challenges that were tried or solved and could still be sent again: a table of fixed size, per process.
 *
 * Each is known by a keyed hash of its seed until it expires. A challenge is taken before its solution is judged, so that
 * of two requests at the same moment one comes too late; a wrong solution gives it back until the tries are used up. Where
 * the table is full of challenges that may not be forgotten, no further one can be taken: it fails closed, and whoever
 * wants to fill it has to solve that many first.
 */
import type { KeyedHash } from "../../keyed-hash.ts";

/** 17 bytes each; two minutes of two thousand solved challenges a second. */
export const USED_CHALLENGES_MAX = 262_144;

/** Slots that one seed may lie in. */
const PROBES_MAX = 64;
const MS_PER_S = 1_000;
/** Longer than judging a solution takes: a slot must not become another's while its own is being judged. */
const JUDGING_S_MAX = 60;
const NO_SLOT = -1;
const SPENT = 0x80;
const TRIES_MASK = 0x7f;

/** Where a taken challenge lies; valid until it is spent or given back. */
export type TakenChallenge = number;

/** One per process. */
export class UsedChallenges {
  readonly #hash: KeyedHash;
  readonly #mask: number;
  /** Two words of the seed's hash. */
  readonly #names: Uint32Array;
  /** Seconds since the epoch; 0 = the slot was never used. */
  readonly #untilS: Uint32Array;
  /** Whose solution counted: a word of the purpose's hash. */
  readonly #purposes: Uint32Array;
  /** Wrong tries, and {@link SPENT}. */
  readonly #states: Uint8Array;

  constructor(options: { hash: KeyedHash; entriesMax?: number }) {
    const slots = 2 ** Math.ceil(Math.log2(options.entriesMax ?? USED_CHALLENGES_MAX));
    this.#hash = options.hash;
    this.#mask = slots - 1;
    this.#names = new Uint32Array(slots * 2);
    this.#untilS = new Uint32Array(slots);
    this.#purposes = new Uint32Array(slots);
    this.#states = new Uint8Array(slots);
  }

  /**
   * Takes a challenge for the one who asks. "again": it was solved before for this very purpose, so the same call has come
   * again; an empty purpose never comes again. "used": it was solved, is being judged, or has no tries left.
   */
  take(challenge: {
    seed: string;
    purpose: string;
    expiresAt: number;
    nowMs: number;
  }): TakenChallenge | "again" | "used" | "full" {
    const purpose = this.#purposeOf(challenge.purpose);
    const slot = this.#slotOf(challenge.seed, challenge.nowMs);
    if (slot === NO_SLOT) return "full";
    if (this.#untilS[slot] === 0) {
      this.#untilS[slot] = Math.ceil(challenge.expiresAt / MS_PER_S) + JUDGING_S_MAX;
    } else if ((this.#states[slot] ?? 0) >= SPENT) {
      return purpose !== 0 && this.#purposes[slot] === purpose ? "again" : "used";
    }
    this.#states[slot] = (this.#states[slot] ?? 0) | SPENT;
    this.#purposes[slot] = 0;
    return slot;
  }

  /** The solution was right: the challenge is used up. */
  spend(slot: TakenChallenge, purpose: string): void {
    this.#purposes[slot] = this.#purposeOf(purpose);
  }

  /** The solution was wrong; it may be tried again while tries are left. */
  fault(slot: TakenChallenge, triesMax: number): void {
    const tries = Math.min(((this.#states[slot] ?? 0) & TRIES_MASK) + 1, TRIES_MASK);
    this.#states[slot] = tries >= triesMax ? tries | SPENT : tries;
  }

  /** Nobody could judge the solution: as if it had not been tried. */
  release(slot: TakenChallenge): void {
    this.#states[slot] = (this.#states[slot] ?? 0) & TRIES_MASK;
  }

  /** 0 for the empty purpose, which never comes again. */
  #purposeOf(purpose: string): number {
    if (purpose === "") return 0;
    this.#hash.update(purpose);
    return this.#hash.low === 0 ? 1 : this.#hash.low;
  }

  /** The slot of a seed: its own, or a free one that now bears its name and expiry 0. */
  #slotOf(seed: string, nowMs: number): number {
    this.#hash.update(seed);
    const { high, low } = this.#hash;
    const nowS = Math.floor(nowMs / MS_PER_S);
    let free = NO_SLOT;
    for (let probe = 0; probe < PROBES_MAX; probe += 1) {
      const slot = (low + probe) & this.#mask;
      const untilS = this.#untilS[slot] ?? 0;
      if (untilS > nowS && this.#names[slot * 2] === high && this.#names[slot * 2 + 1] === low) return slot;
      if (free === NO_SLOT && untilS <= nowS) free = slot;
      if (untilS === 0) break;
    }
    if (free === NO_SLOT) return NO_SLOT;
    this.#names[free * 2] = high;
    this.#names[free * 2 + 1] = low;
    this.#untilS[free] = 0;
    this.#states[free] = 0;
    return free;
  }
}
