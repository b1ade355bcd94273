/**
 * Stage 5, sold-out: turns buyers away without asking the ledger once nothing is known to be left.
 *
 * The latch may be late (a refusal we could have made), never early (one we must not make).
 *
 * open → gone: the ledger itself said that nothing is left, in the sale's epoch, at a stock version that is not older
 *   than one we have seen, and everybody who held units at that moment is in the holder set.
 * gone → open: any newer version (units came back or were added) or another epoch.
 * gone, unconfirmed: no word for CONFIRMED_MS_MAX, or none since somebody said that units came back; attempts pass to the ledger, whose answers confirm or open.
 *
 * Holders always pass. "sold_out" is said only when every unit is sold, otherwise "empty". Fed by the batcher's answers
 * and by latch-keeper.ts; see spec L2 and S3.
 */
import type { Refusal } from "../../domain/refusals.ts";
import type { Stock } from "../../ports/ledger.ts";
import { plainRefusal } from "../refusal-answers.ts";
import type { HolderSet } from "./holder-set.ts";

/** A refusal by the latch rests on a word of the ledger that is at most this old. */
export const CONFIRMED_MS_MAX = 2_000;
const NOT_GONE = -1;

/** The holders must be complete up to this acceptance before the latch may refuse. */
export interface HoldersWanted {
  readonly epoch: number;
  readonly seq: number;
}

/** The latch of one item. Times are monotonic milliseconds. */
export class SoldOutLatch {
  readonly holders: HolderSet;
  #stock: Stock | null = null;
  /** Since when nothing is left; epoch -1 = something may be. Apart, because each refusal looks at them. */
  #goneEpoch = NOT_GONE;
  #goneSeq = 0;
  #isFinal = false;
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #doubtedAtMs = Number.NEGATIVE_INFINITY;
  #holdersEpoch = -1;
  #holdersSeq = -1;

  constructor(holders: HolderSet) {
    this.holders = holders;
  }

  /** The newest stock seen; null before the first. */
  get stock(): Stock | null {
    return this.#stock;
  }

  /** What has to be read before the latch may close; null when nothing is missing. */
  get holdersWanted(): HoldersWanted | null {
    if (this.#goneEpoch === NOT_GONE || this.#hasHolders()) return null;
    return { epoch: this.#goneEpoch, seq: this.#goneSeq };
  }

  /** A word of the ledger. `askedAtMs` is when it was asked: the answer may be as old as that. */
  observe(stock: Stock, askedAtMs: number): void {
    const known = this.#stock;
    if (known !== null && isOlder(stock, known)) return;
    const isNews = known === null || known.epoch !== stock.epoch || known.version !== stock.version;
    if (isNews) {
      this.#goneEpoch = NOT_GONE;
      this.#isFinal = false;
    }
    // Within one version units only leave: an answer that still shows some was overtaken by one that shows none.
    if (unitsLeft(stock) > 0) {
      if (this.#goneEpoch === NOT_GONE) this.#stock = stock;
      return;
    }
    this.#stock = stock;
    this.#goneEpoch = stock.epoch;
    this.#goneSeq = stock.seq;
    this.#isFinal ||= stock.total > 0 && stock.sold === stock.total;
    this.#confirmedAtMs = isNews ? askedAtMs : Math.max(this.#confirmedAtMs, askedAtMs);
  }

  /**
   * Somebody says that units came back: nobody is turned away until the ledger was asked again, because another node may
   * accept a buyer this very moment, and his repeat may come here.
   */
  doubt(nowMs: number): void {
    this.#doubtedAtMs = nowMs;
  }

  /** Everybody accepted up to this point is in the holder set. */
  holdersRead(upTo: HoldersWanted): void {
    if (upTo.epoch < this.#holdersEpoch) return;
    this.#holdersSeq = upTo.epoch > this.#holdersEpoch ? upTo.seq : Math.max(this.#holdersSeq, upTo.seq);
    this.#holdersEpoch = upTo.epoch;
  }

  /** The refusal, or null when the attempt must reach the ledger. */
  check(attempt: { buyerId: string; saleEpoch: number; nowMs: number }): Refusal | null {
    if (this.#goneEpoch !== attempt.saleEpoch) return null;
    if (attempt.nowMs - this.#confirmedAtMs > CONFIRMED_MS_MAX || this.#confirmedAtMs < this.#doubtedAtMs) return null;
    if (!this.#hasHolders() || this.holders.has(attempt.buyerId)) return null;
    return plainRefusal(this.#isFinal ? "sold_out" : "empty");
  }

  /** Everybody who held units when the last one went is in the holder set. */
  #hasHolders(): boolean {
    return this.#holdersEpoch === this.#goneEpoch && this.#holdersSeq >= this.#goneSeq;
  }
}

function isOlder(stock: Stock, known: Stock): boolean {
  return stock.epoch < known.epoch || (stock.epoch === known.epoch && stock.version < known.version);
}

/** Units that anybody could still get: Postgres's own and those it lent to Redis. */
function unitsLeft(stock: Stock): number {
  return stock.free + stock.granted;
}
