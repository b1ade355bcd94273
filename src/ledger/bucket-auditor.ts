/**
 * Proves where every unit of a sale in redis mode is, while it sells: the seven places of docs/spec/redis-ledger.md.
 *
 * Reads Postgres, then the buckets, then Postgres again (P → R → P'). Postgres commits only what a bucket had reserved
 * before, and a bucket is credited only what Postgres had granted before; so in this order an inequality that fails is
 * proof of a loss or a forgery, never of the time that passed between the reads. What was proven once is remembered
 * (verified-prefix.ts), so a look costs what is new. A failing judgement is made again from scratch before it is said.
 */
import type { SaleId } from "../domain/ids.ts";
import type { BookedItem, BookedSale, Books } from "../ports/books.ts";
import type { BucketAddress, BucketAudit, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import { type BucketLook, judgeBucket, judgeItem } from "./place-judgement.ts";
import type { AuditedPlaces, PlacesReport, PlacesTrouble, PlaceViolation } from "./places.ts";
import { VerifiedPrefix } from "./verified-prefix.ts";

/** Reads again when grants or the epoch moved between the first and the last look. */
const READS_MAX = 4;

export interface BucketAuditorParts {
  readonly store: Pick<BucketStore, "auditEach">;
  readonly books: Pick<Books, "readBooks" | "sumOrders" | "missingSeqs">;
  readonly clock: Clock;
}

interface Looks {
  readonly before: BookedSale;
  readonly audits: ReadonlyMap<string, BucketAudit | null>;
  readonly after: BookedSale;
}

/** See the head of this file. */
export class BucketAuditor {
  readonly #parts: BucketAuditorParts;
  readonly #prefixes = new Map<string, VerifiedPrefix>();
  readonly #running = new Map<SaleId, Promise<PlacesReport | null>>();

  constructor(parts: BucketAuditorParts) {
    this.#parts = parts;
  }

  /**
   * Null when there is no such sale. Throws the faults of both sides: LEDGER_UNAVAILABLE means that nothing can be said
   * about the buckets now. Checks of one sale that are asked for at the same time share one.
   */
  check(saleId: SaleId): Promise<PlacesReport | null> {
    const shared = this.#running.get(saleId);
    if (shared !== undefined) return shared;
    const started = this.#check(saleId).finally(() => this.#running.delete(saleId));
    this.#running.set(saleId, started);
    return started;
  }

  /** Up to where every number of the bucket is proven to be an order; 0 when nothing is. */
  provenSeq(address: BucketAddress & { readonly epoch: number }): number {
    const prefix = this.#prefixes.get(keyOf(address));
    return prefix?.epoch === address.epoch ? prefix.throughSeq : 0;
  }

  async #check(saleId: SaleId): Promise<PlacesReport | null> {
    const first = await this.#look(saleId);
    if (first === null || (first.violations.length === 0 && first.trouble === null)) return first;
    // What was remembered may be what is wrong: the database may have gone back in time since.
    for (const item of first.items)
      for (const { bucket } of item.buckets) this.#prefixes.delete(keyOf({ ...item, bucket }));
    return this.#look(saleId);
  }

  async #look(saleId: SaleId): Promise<PlacesReport | null> {
    const looks = await this.#read(saleId);
    if (looks === null) return null;
    const { before, after } = looks;
    const { mode, epoch, takenAtMs: takenAt } = before;
    const violations: PlaceViolation[] = [];
    const items: AuditedPlaces[] = [];
    let trouble: PlacesTrouble | null = null;
    for (const item of before.items) {
      const judged = await this.#judgeItem(item, looks);
      violations.push(...judged.violations);
      items.push(judged.places);
      trouble ??= judged.trouble;
    }
    // The epoch ended while we looked: what was seen belongs to two worlds and proves nothing.
    if (after.epoch !== epoch) return { saleId, mode, epoch, takenAt, items, violations: [], trouble: null };
    return { saleId, mode, epoch, takenAt, items, violations: trouble === null ? violations : [], trouble };
  }

  /** P → R → P', again when grants moved meanwhile, so that the places can be added up exactly. */
  async #read(saleId: SaleId): Promise<Looks | null> {
    for (let reads = 1; ; reads += 1) {
      const before = await this.#readBooks(saleId);
      if (before === null) return null;
      if (!isInBuckets(before)) return { before, audits: new Map(), after: before };
      const audits = await this.#audit(before);
      const after = await this.#readBooks(saleId);
      if (after === null) return null;
      const isStill = after.epoch === before.epoch && grantsOf(after) === grantsOf(before);
      if (isStill || reads >= READS_MAX) return { before, audits, after };
    }
  }

  async #readBooks(saleId: SaleId): Promise<BookedSale | null> {
    const { books } = this.#parts;
    const aboveSeq = (address: BucketAddress): number => this.#prefixes.get(keyOf(address))?.throughSeq ?? 0;
    const booked = await books.readBooks({ saleId, aboveSeq });
    if (booked === null) return null;
    let isNewEpoch = false;
    for (const { itemId, buckets } of booked.items) {
      for (const { bucket } of buckets) {
        const key = keyOf({ itemId, bucket });
        const prefix = this.#prefixes.get(key);
        if (prefix?.epoch === booked.epoch) continue;
        isNewEpoch ||= prefix !== undefined && prefix.throughSeq > 0;
        this.#prefixes.set(
          key,
          new VerifiedPrefix({ ...this.#parts, address: { itemId, bucket, epoch: booked.epoch } }),
        );
      }
    }
    return isNewEpoch ? books.readBooks({ saleId, aboveSeq }) : booked;
  }

  async #audit(booked: BookedSale): Promise<ReadonlyMap<string, BucketAudit | null>> {
    const addresses = booked.items.flatMap(({ itemId, buckets }) => buckets.map(({ bucket }) => ({ itemId, bucket })));
    const audits = await this.#parts.store.auditEach(addresses);
    return new Map(addresses.map((address, index) => [keyOf(address), audits[index] ?? null]));
  }

  async #judgeItem(
    item: BookedItem,
    { before, audits, after }: Looks,
  ): Promise<{ places: AuditedPlaces; violations: readonly PlaceViolation[]; trouble: PlacesTrouble | null }> {
    const { itemId, sku } = item;
    const later = after.items.find((candidate) => candidate.itemId === itemId) ?? item;
    const looks: BucketLook[] = [];
    const violations: PlaceViolation[] = [];
    let trouble: PlacesTrouble | null = null;
    // Where Postgres alone decides, its orders were never granted to anybody: there are no buckets to add up.
    for (const own of isOfBuckets(before) ? item.buckets : []) {
      const { bucket } = own;
      const audit = audits.get(keyOf({ itemId, bucket })) ?? null;
      const prefix = this.#prefixOf({ itemId, bucket, epoch: before.epoch });
      const last = later.buckets.find((candidate) => candidate.bucket === bucket) ?? own;
      const look: BucketLook = { sku, epoch: before.epoch, before: own, audit, after: last, proven: prefix.proven };
      looks.push(look);
      if (!isInBuckets(before)) continue;
      const judged = judgeBucket(look);
      trouble ??= judged.trouble;
      if (judged.trouble === null && audit !== null && after.epoch === before.epoch) {
        violations.push(...judged.violations);
        violations.push(...(await prefix.advance({ sku, audit, seqMax: last.seqMax })));
        trouble ??= prefix.rolledBack(audit);
      }
    }
    const judged = judgeItem(item, looks, (bucket) => this.#prefixOf({ itemId, bucket, epoch: before.epoch }));
    return { places: judged.places, violations: [...violations, ...judged.violations], trouble };
  }

  #prefixOf(address: BucketAddress & { readonly epoch: number }): VerifiedPrefix {
    const key = keyOf(address);
    const known = this.#prefixes.get(key);
    if (known !== undefined && known.epoch === address.epoch) return known;
    const fresh = new VerifiedPrefix({ ...this.#parts, address });
    this.#prefixes.set(key, fresh);
    return fresh;
  }
}

/** Units are in buckets, and gates may be open. */
function isInBuckets(booked: BookedSale): boolean {
  return booked.mode === "redis" || booked.mode === "draining";
}

/** The epoch's units go, or are about to go, through buckets. */
function isOfBuckets(booked: BookedSale): boolean {
  return isInBuckets(booked) || booked.mode === "warming";
}

function grantsOf(booked: BookedSale): string {
  return booked.items.map((item) => item.buckets.map((bucket) => bucket.grantedUnits).join()).join(";");
}

function keyOf({ itemId, bucket }: BucketAddress): string {
  return `${itemId}.${bucket}`;
}
