/**
 * Random calls on buckets, one seed one history: the inputs of the comparison of scripts and model.
 *
 * Few buyers, few rids, few units and small limits, so that repeats, reused keys, limits, empty buckets and leases that
 * somebody else took back happen all the time. A lease's time is either over at once or far away, so that nothing
 * hangs on how fast the test runs.
 */

import { createSeededRandom, type SeededRandom } from "../../lab/swarm/seeded-random.ts";
import type { BuyerId, Rid, SaleId } from "../../src/domain/ids.ts";
import type { BucketEpoch, BucketSettings, BucketStore } from "../../src/ports/bucket-store.ts";
import type { BucketWitness } from "./bucket-witness.ts";

export const FAMILIES = ["reserve", "credit", "lease", "administration", "stream"] as const;
export type Family = (typeof FAMILIES)[number];

/** One call, made on the real store and on the model. */
export interface Operation {
  readonly family: Family;
  readonly name: string;
  readonly address: BucketEpoch;
  readonly request: BucketEpoch;
  readonly text: string;
  /** Takes more than one round trip: nothing else may be under way. */
  readonly isAlone: boolean;
  run(store: BucketStore): Promise<unknown>;
  /** Tells the witness of an answer. */
  witness?(witness: BucketWitness, answer: unknown): void;
}

const ITEMS = [1, 2, 3];
const BUYERS = 9;
const RIDS = 40;
const QUANTITIES = [1, 1, 1, 2, 2, 3, 4, 0, 1.5];
const LEASES = 5;
const CONSUMERS = 3;
const FAR_MS = 3_600_000;
const FAR_AWAY = 9_000_000_000_000;

/** A bucket as the generator believes it to be. It need not be right, only likely. */
interface Guess {
  epoch: number;
  isOpen: boolean;
  creditCount: number;
  ridBase: number;
  revision: number;
}

export class OperationSource {
  readonly #random: SeededRandom;
  readonly #guesses = new Map<number, Guess>();
  #saleCount = 0;

  constructor(seed: number) {
    this.#random = createSeededRandom(seed, 0);
  }

  /** The next call. The first ones of a bucket prepare it. */
  next(family: Family): Operation {
    const itemId = this.#pick(ITEMS);
    const guess = this.#guesses.get(itemId);
    if (guess === undefined) {
      const fresh: Guess = { epoch: 1, isOpen: false, creditCount: 0, ridBase: 0, revision: 1 };
      this.#guesses.set(itemId, fresh);
      return this.#prepare(itemId, fresh);
    }
    if (!guess.isOpen && this.#chance(0.2)) return this.#setGate(itemId, guess, true);
    if (family === "reserve") return this.#reserve(itemId, guess);
    if (family === "credit") return this.#credit(itemId, guess);
    if (family === "lease") return this.#lease(itemId, guess);
    return family === "stream" ? this.#stream(itemId, guess) : this.#administrate(itemId, guess);
  }

  #reserve(itemId: number, guess: Guess): Operation {
    const count = this.#chance(0.02) ? 0 : 1 + this.#random.below(this.#chance(0.1) ? 20 : 4);
    const attempts = Array.from({ length: count }, () => this.#attempt(guess)).map(({ rid, buyerId, quantity }) => ({
      rid: rid as Rid,
      buyerId: buyerId as BuyerId,
      quantity,
    }));
    const request = { ...this.#address(itemId, guess), leaseId: this.#chance(0.5) ? this.#leaseId() : null, attempts };
    return {
      ...describe("reserve", "reserve", request),
      run: (store) => store.reserve(request),
      witness: (witness, answer) => witness.reserved(request, answer as never),
    };
  }

  #credit(itemId: number, guess: Guess): Operation {
    const isAgain = guess.creditCount > 0 && this.#chance(0.25);
    if (!isAgain) guess.creditCount += 1;
    const creditId = `c${isAgain ? 1 + this.#random.below(guess.creditCount) : guess.creditCount}`;
    const notes = Array.from({ length: this.#chance(0.5) ? this.#random.below(5) : 0 }, () => ({
      kind: this.#chance(0.7) ? ("ended" as const) : ("reacquired" as const),
      ...this.#attempt(guess),
    }));
    const units = this.#chance(0.3) ? -this.#random.below(8) : this.#random.below(9);
    const request = { ...this.#address(itemId, guess), creditId, units: units === 0 ? 0 : units, notes };
    return {
      ...describe("credit", "credit", request),
      run: (store) => store.credit(request),
      witness: (witness, answer) => witness.credited(request, answer as number),
    };
  }

  #lease(itemId: number, guess: Guess): Operation {
    const address = this.#address(itemId, guess);
    const leaseId = this.#leaseId();
    const ttlMs = this.#chance(0.3) ? 0 : FAR_MS;
    const op = this.#pick(["acquire", "acquire", "acquire", "renew", "renew", "return", "sweep"] as const);
    const request = {
      ...address,
      op,
      leaseId,
      ttlMs,
      nodeId: `n${this.#random.below(3)}`,
      units: this.#random.below(7),
    };
    return { ...describe("lease", "lease", request), run: (store) => store.lease(request) };
  }

  #administrate(itemId: number, guess: Guess): Operation {
    const address = this.#address(itemId, guess);
    if (!guess.isOpen && this.#chance(0.1)) return this.#prepare(itemId, guess);
    if (!guess.isOpen && this.#chance(0.5)) return this.#load(itemId, guess);
    const dice = this.#random.below(100);
    if (dice < 40) return this.#settle(itemId, guess);
    if (dice < 60) return this.#setGate(itemId, guess, this.#chance(0.5));
    if (dice < 75) return this.#load(itemId, guess);
    if (dice < 85) {
      const request = { ...address, seq: this.#random.below(30) };
      return { ...describe("administration", "markCommitted", request), run: (store) => store.markCommitted(request) };
    }
    if (dice < 97) {
      if (this.#chance(0.7)) {
        guess.epoch += 1;
        guess.ridBase += this.#random.below(RIDS);
      }
      return this.#prepare(itemId, guess);
    }
    guess.isOpen = false;
    return { ...describe("administration", "remove", address, true), run: (store) => store.remove(address) };
  }

  #prepare(itemId: number, guess: Guess): Operation {
    guess.isOpen = false;
    guess.creditCount = 0;
    guess.revision = 1;
    this.#saleCount += 1;
    const request = {
      ...this.#address(itemId, guess),
      saleId: `sale${this.#saleCount}` as SaleId,
      settings: this.#settings(1),
    };
    return {
      ...describe("administration", "prepare", request, true),
      run: (store) => store.prepare(request),
      witness: (witness, answer) => {
        if (answer === true) witness.prepared();
      },
    };
  }

  #settle(itemId: number, guess: Guess): Operation {
    guess.revision += this.#pick([-1, 0, 1, 1, 1, 2]);
    const settings = this.#settings(Math.max(0, guess.revision));
    const request = { ...this.#address(itemId, guess), settings };
    return { ...describe("administration", "applySettings", request), run: (store) => store.applySettings(request) };
  }

  #setGate(itemId: number, guess: Guess, isOpen: boolean): Operation {
    guess.isOpen = isOpen;
    const request = { ...this.#address(itemId, guess), isOpen };
    return { ...describe("administration", "setGate", request), run: (store) => store.setGate(request) };
  }

  #load(itemId: number, guess: Guess): Operation {
    const buyers = this.#chance(0.5) ? [{ buyerId: this.#buyer(), quantity: this.#random.below(3) }] : [];
    const reservations = Array.from({ length: this.#random.below(8) }, () => ({
      ...this.#attempt(guess),
      quantity: 1 + this.#random.below(2),
      hasEnded: this.#chance(0.3),
    }));
    const request = { ...this.#address(itemId, guess), buyers, reservations };
    return {
      ...describe("administration", "load", request, true),
      run: (store) => store.load(request),
      witness: (witness) => witness.loaded(request),
    };
  }

  #stream(itemId: number, guess: Guess): Operation {
    const dice = this.#random.below(100);
    const epoch = Math.max(1, guess.epoch - (this.#chance(0.05) ? 1 : 0));
    const address = { ...this.#address(itemId, guess), epoch };
    const reader = { ...address, consumerId: `w${this.#random.below(CONSUMERS)}` };
    const entriesMax = 1 + this.#random.below(6);
    const lastSeqs = Array.from({ length: this.#random.below(6) }, () => 1 + this.#random.below(30));
    const [from, through] = [this.#random.below(20), this.#random.below(this.#chance(0.2) ? 25 : 6)];
    const idleMsMin = this.#chance(0.6) ? 0 : FAR_MS;
    const { rid } = this.#attempt(guess);
    const of = (name: string, request: BucketEpoch, run: Operation["run"], isAlone = false): Operation => ({
      ...describe("stream", name, request, isAlone),
      run,
    });
    if (dice < 30) return of("readNew", { ...reader }, (store) => store.readNew({ ...reader, entriesMax }));
    if (dice < 45) {
      const request = { ...reader, idleMsMin, entriesMax };
      return of("claimStale", request, (store) => store.claimStale(request), true);
    }
    if (dice < 65) return of("acknowledge", address, (store) => store.acknowledge({ ...address, lastSeqs }));
    if (dice < 80) {
      return of("readFrom", address, (store) => store.readFrom({ ...address, afterSeq: from, entriesMax }));
    }
    if (dice < 88) return of("trim", address, (store) => store.trim({ ...address, throughSeq: through }));
    if (dice < 94) return of("findReservation", address, (store) => store.findReservation({ ...address, rid }));
    return of("findBySeq", address, (store) => store.findBySeq({ ...address, seq: from }), true);
  }

  #settings(revision: number): BucketSettings {
    const isNotOpen = this.#chance(0.04);
    const isClosed = this.#chance(0.04);
    return {
      revision,
      opensAt: isNotOpen ? FAR_AWAY : 1_000,
      closesAt: isClosed ? 2_000 : FAR_AWAY + 1,
      isPaused: this.#chance(0.05),
      perBuyerMax: 1 + this.#random.below(4),
      holdMs: 1_000 * (1 + this.#random.below(100)),
    };
  }

  #address(itemId: number, guess: Guess): BucketEpoch {
    const epoch = this.#chance(0.03) ? Math.max(1, guess.epoch + this.#pick([-1, 1])) : guess.epoch;
    return { itemId, bucket: itemId % 2, epoch };
  }

  /** A rid mostly comes with the same buyer and quantity, as a retry does; sometimes somebody uses it for something else. */
  #attempt(guess: Guess): { rid: string; buyerId: string; quantity: number } {
    const number = guess.ridBase + this.#random.below(RIDS);
    const isOdd = this.#chance(0.15);
    return {
      rid: `r${number}`,
      buyerId: isOdd ? this.#buyer() : `b${number % BUYERS}`,
      quantity: isOdd ? this.#pick(QUANTITIES) : 1 + (number % 2),
    };
  }

  #buyer(): string {
    return `b${this.#random.below(BUYERS)}`;
  }

  #leaseId(): string {
    return `l${this.#random.below(LEASES)}`;
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability;
  }

  #pick<Value>(values: readonly Value[]): Value {
    return values[this.#random.below(values.length)] as Value;
  }
}

function describe(family: Family, name: string, request: BucketEpoch, isAlone = false) {
  const { itemId, bucket, epoch } = request;
  const text = `${name} ${JSON.stringify(request)}`;
  return { family, name, address: { itemId, bucket, epoch }, request, text, isAlone };
}
