/**
 * Watches what a bucket answers and holds it against the invariants, knowing neither the scripts nor the model.
 *
 * It believes only answers: who was accepted with which number, what was credited, what ended. R1, R2, R3, U2 and S3 of
 * docs/spec/redis-ledger.md, after every single call.
 */
import assert from "node:assert/strict";
import {
  BUCKET_VERDICTS,
  type BucketAnswer,
  type BucketAudit,
  type BucketCredit,
  type BucketReserve,
  type BucketStore,
} from "../../src/ports/bucket-store.ts";

interface Known {
  /** 0: it was loaded, its number is of an earlier epoch. */
  readonly seq: number;
  readonly buyerId: string;
  readonly quantity: number;
  hasEnded: boolean;
}

type Loaded = Parameters<BucketStore["load"]>[0];

/** What one bucket has said since it was prepared. */
export class BucketWitness {
  #known = new Map<string, Known>();
  #units = new Map<string, number>();
  #credited = new Map<string, number>();
  #perBuyerMax = 0;
  #seq = 0;
  #reserved = 0;

  /** Also: it is gone. */
  prepared(): void {
    this.#known = new Map();
    this.#units = new Map();
    this.#credited = new Map();
    this.#seq = 0;
    this.#reserved = 0;
  }

  limited(perBuyerMax: number): void {
    this.#perBuyerMax = perBuyerMax;
  }

  loaded({ buyers, reservations }: Loaded): void {
    for (const { buyerId, quantity } of buyers) this.#units.set(buyerId, quantity);
    for (const reservation of reservations) this.#known.set(reservation.rid, { ...reservation, seq: 0 });
  }

  reserved(request: BucketReserve, answer: BucketAnswer): void {
    assert.equal(answer.seqBefore, this.#seq, "R3: numbers go on where they ended");
    assert.equal(answer.verdicts.length, request.attempts.length);
    request.attempts.forEach((attempt, index) => {
      const verdict = answer.verdicts[index] ?? Number.NaN;
      const known = this.#known.get(attempt.rid);
      if (known !== undefined) {
        const isSame = known.buyerId === attempt.buyerId && known.quantity === attempt.quantity;
        const expected = known.hasEnded ? BUCKET_VERDICTS.ended : known.seq || BUCKET_VERDICTS.known;
        assert.equal(verdict, isSame ? expected : BUCKET_VERDICTS.key_reused, "S3: a repeat is answered as it was");
        return;
      }
      assert.ok(verdict <= 0 || verdict === this.#seq + 1, "R3: numbers have no gap");
      if (verdict > 0) this.#accept(attempt, verdict);
    });
    assert.ok(answer.left >= 0, "R2: nothing is negative");
  }

  credited(request: BucketCredit, units: number): void {
    const before = this.#credited.get(request.creditId);
    if (before !== undefined) {
      assert.equal(units, before, "a credit is answered as the first time");
      return;
    }
    assert.ok(request.units >= 0 ? units === request.units : units <= 0 && units >= request.units, "a credit's units");
    this.#credited.set(request.creditId, units);
    for (const { kind, rid, buyerId } of request.notes) {
      const known = this.#known.get(rid);
      if (known?.buyerId !== buyerId || known.hasEnded === (kind === "ended")) continue;
      known.hasEnded = kind === "ended";
      const change = known.hasEnded ? -known.quantity : known.quantity;
      this.#units.set(buyerId, Math.max(0, (this.#units.get(buyerId) ?? 0) + change));
    }
  }

  audited(audit: BucketAudit): void {
    const { available, leased, leaseSum, reserved, grantedIn, seq } = audit;
    assert.equal(available + leased + reserved, grantedIn, "R1: every unit is in one place");
    assert.equal(leaseSum, leased, "R2: leases sum up");
    assert.ok(available >= 0 && leased >= 0 && reserved >= 0, "R2: nothing is negative");
    assert.equal(seq, this.#seq, "R3: the bucket counts as we do");
    assert.equal(reserved, this.#reserved, "R1: the bucket reserved what we were told");
    let credited = 0;
    for (const units of this.#credited.values()) credited += units;
    assert.equal(grantedIn, credited, "X1: the bucket has what arrived");
  }

  #accept(attempt: BucketReserve["attempts"][number], seq: number): void {
    const { rid, buyerId, quantity } = attempt;
    this.#seq = seq;
    this.#reserved += quantity;
    this.#known.set(rid, { seq, buyerId, quantity, hasEnded: false });
    const units = (this.#units.get(buyerId) ?? 0) + quantity;
    this.#units.set(buyerId, units);
    assert.ok(units <= this.#perBuyerMax, "U2: nobody has more than the limit");
  }
}
