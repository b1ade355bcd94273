/**
 * What is proven about one bucket's numbers: up to where each of them is an order, and what those orders add up to.
 *
 * Orders never change number or quantity once they are there, so a proven prefix stays proven and later looks count only
 * from its end. It grows from cut to cut: a cut is what a bucket said at one instant (number S, Q units accepted), and when
 * Postgres has every number up to S, the orders must add up to exactly Q, while the selling goes on.
 */
import type { Books } from "../ports/books.ts";
import type { BucketAudit, BucketEpoch } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import { type PlacesTrouble, type PlaceViolation, type Proven, violation } from "./places.ts";

/** Cuts that wait until Postgres has caught up with them. */
const CUTS_MAX = 8;

interface Cut {
  readonly seq: number;
  readonly units: number;
}

export interface VerifiedPrefixParts {
  readonly books: Pick<Books, "sumOrders" | "missingSeqs">;
  readonly clock: Clock;
  readonly address: BucketEpoch;
}

/** See the head of this file. */
export class VerifiedPrefix {
  readonly #parts: VerifiedPrefixParts;
  #proven: Proven = { throughSeq: 0, orders: 0, units: 0 };
  #cuts: Cut[] = [];
  #gap: { readonly seq: number; readonly sinceMs: number } | null = null;

  constructor(parts: VerifiedPrefixParts) {
    this.#parts = parts;
  }

  get epoch(): number {
    return this.#parts.address.epoch;
  }

  get proven(): Proven {
    return this.#proven;
  }

  get throughSeq(): number {
    return this.#proven.throughSeq;
  }

  /** How long the first missing number has been missing, as seen from here. */
  get gapMs(): number {
    return this.#gap === null ? 0 : this.#parts.clock.monotonicMs() - this.#gap.sinceMs;
  }

  /** Takes a look's cut and proves as far as Postgres has come. `seqMax` is the highest number that has an order. */
  async advance(look: { sku: string; audit: BucketAudit; seqMax: number }): Promise<readonly PlaceViolation[]> {
    const { audit, seqMax } = look;
    if (audit.seq > (this.#cuts.at(-1)?.seq ?? this.throughSeq) && this.#cuts.length < CUTS_MAX) {
      this.#cuts.push({ seq: audit.seq, units: audit.reserved });
    }
    if (seqMax <= this.throughSeq) {
      this.#gap = null;
      return [];
    }
    const denseSeq = await this.#findDense(seqMax);
    for (let cut = this.#cuts[0]; cut !== undefined && cut.seq <= denseSeq; cut = this.#cuts[0]) {
      const proven = await this.#sumUp(cut.seq);
      const { orders, units } = proven;
      if (orders !== cut.seq || units !== cut.units) {
        const detail = `Bucket ${this.#parts.address.bucket}, number ${cut.seq}:`;
        const figures = `accepted ${cut.units} units, orders ${orders} of ${units} units.`;
        // The cut stays, and with it the violation: nothing beyond it is proven.
        return [violation("cut_mismatch", look.sku, `${detail} ${figures}`)];
      }
      this.#proven = proven;
      this.#cuts.shift();
    }
    return [];
  }

  /** Numbers that were once seen committed and are missing: only a database that went back in time has such. */
  rolledBack(audit: BucketAudit): PlacesTrouble | null {
    const gap = this.#gap;
    if (gap === null || gap.seq > audit.committedSeq) return null;
    const text = `number ${gap.seq} of bucket ${this.#parts.address.bucket} was committed and is missing in Postgres`;
    return { kind: "postgres_rolled_back", text };
  }

  /** Up to where Postgres has every number, beyond what is proven. */
  async #findDense(seqMax: number): Promise<number> {
    const { books, address, clock } = this.#parts;
    const request = { ...address, afterSeq: this.throughSeq, throughSeq: seqMax, rowsMax: 1 };
    const [missing] = await books.missingSeqs(request);
    if (missing === undefined) {
      this.#gap = null;
      return seqMax;
    }
    if (this.#gap?.seq !== missing) this.#gap = { seq: missing, sinceMs: clock.monotonicMs() };
    return missing - 1;
  }

  /** What would be proven with the orders up to the number. */
  async #sumUp(throughSeq: number): Promise<Proven> {
    const { books, address } = this.#parts;
    const more = await books.sumOrders({ ...address, afterSeq: this.throughSeq, throughSeq });
    const { orders, units } = this.#proven;
    return { throughSeq, orders: orders + more.orders, units: units + more.units };
  }
}
