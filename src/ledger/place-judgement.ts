/**
 * The verdict on one look at a bucket and on the sum of an item's places. Pure, but for what was proven before.
 *
 * The inequalities hold at any instant only in the order of reading P → R → P' (bucket-auditor.ts).
 */
import type { BookedBucket, BookedItem } from "../ports/books.ts";
import type { BucketAudit } from "../ports/bucket-store.ts";
import {
  type AuditedBucket,
  type AuditedPlaces,
  type PlacesTrouble,
  type PlaceViolation,
  type Proven,
  violation,
} from "./places.ts";

/** One bucket as seen before, in and after the look at Redis. */
export interface BucketLook {
  readonly sku: string;
  readonly epoch: number;
  readonly before: BookedBucket;
  readonly audit: BucketAudit | null;
  readonly after: BookedBucket;
  /** Orders up to the proven number; the figures of `before` and `after` count from there. */
  readonly proven: Proven;
}

/** What one bucket's look proves. With trouble nothing else is said: there is no bucket to be judged. */
export function judgeBucket(look: BucketLook): {
  violations: readonly PlaceViolation[];
  trouble: PlacesTrouble | null;
} {
  const { sku, before, audit, after } = look;
  const trouble = troubleOf(look);
  if (trouble !== null || audit === null) return { violations: [], trouble };
  const found: PlaceViolation[] = [];
  const where = `Bucket ${before.bucket}:`;
  const report = (code: PlaceViolation["code"], detail: string): void => {
    found.push(violation(code, sku, `${where} ${detail}`));
  };
  const { available, leased, leaseSum, reserved, grantedIn, seq } = audit;
  if (available + leased + reserved !== grantedIn || Math.min(available, leased, reserved) < 0) {
    report(
      "bucket_unbalanced",
      `available ${available}, leased ${leased}, reserved ${reserved}, granted ${grantedIn}.`,
    );
  }
  if (leaseSum !== leased) report("leases_unbalanced", `leased ${leased}, leases ${leaseSum}.`);
  const committed = committedBefore(look);
  if (committed.units > reserved || committed.orders > seq || before.seqMax > seq) {
    const orders = `${committed.orders} orders of ${committed.units} units up to number ${before.seqMax}`;
    report("redis_rolled_back", `${orders}, accepted ${reserved} units up to ${seq}.`);
  }
  if (grantedIn > after.grantedUnits) {
    report("phantom_credit", `credited ${grantedIn}, granted ${after.grantedUnits}.`);
  }
  return { violations: found, trouble: null };
}

function troubleOf({ epoch, before, audit, after, proven }: BucketLook): PlacesTrouble | null {
  const where = `bucket ${before.bucket}`;
  if (before.seqMax < proven.throughSeq) {
    const text = `Postgres had orders up to number ${proven.throughSeq} of ${where} and has them to ${before.seqMax}`;
    return { kind: "postgres_rolled_back", text };
  }
  if (audit === null) return { kind: "redis_lost", text: `${where} does not exist in Redis` };
  if (audit.epoch > epoch) {
    return { kind: "postgres_rolled_back", text: `${where} is in epoch ${audit.epoch}, Postgres in ${epoch}` };
  }
  if (audit.epoch === epoch && after.seqMax < audit.committedSeq) {
    const text = `${where} had commits up to number ${audit.committedSeq}, Postgres has them to ${after.seqMax}`;
    return { kind: "postgres_rolled_back", text };
  }
  if (audit.epoch < epoch) return { kind: "redis_lost", text: `${where} is in the old epoch ${audit.epoch}` };
  return audit.isRegistered ? null : { kind: "redis_lost", text: "Redis restarted or was replaced" };
}

function committedBefore({ before, proven }: BucketLook): { orders: number; units: number } {
  return { orders: proven.orders + before.orders, units: proven.units + before.units };
}

/** Adds up an item's places, as the first look at Postgres and the look at its buckets saw them. */
export function judgeItem(
  item: BookedItem,
  looks: readonly BucketLook[],
  prefixOf: (bucket: number) => { readonly throughSeq: number; readonly gapMs: number },
): { places: AuditedPlaces; violations: readonly PlaceViolation[] } {
  const { itemId, sku, total, free, granted, held, sold } = item;
  const violations: PlaceViolation[] = [];
  const logged = sum(looks, (look) => look.before.grantedUnits - committedBefore(look).units);
  if (logged !== granted)
    violations.push(violation("granted_mismatch", sku, `granted ${granted}, log says ${logged}.`));
  const buckets = looks.map((look): AuditedBucket => {
    const { throughSeq: provenSeq, gapMs } = prefixOf(look.before.bucket);
    return { ...placesOf(look), provenSeq, gapMs };
  });
  const unapplied = sum(buckets, (bucket) => bucket.unapplied);
  const available = sum(buckets, (bucket) => bucket.available);
  const leased = sum(buckets, (bucket) => bucket.leased);
  const uncommitted = sum(buckets, (bucket) => bucket.uncommitted);
  const places = { free, unapplied, available, leased, uncommitted, held, sold };
  const added = Object.values(places).reduce((all, units) => all + units, 0);
  if (added !== total) {
    violations.push(violation("places_mismatch", sku, `total ${total}, places ${JSON.stringify(places)}.`));
  }
  return { places: { itemId, sku, total, ...places, sum: added, buckets }, violations };
}

/** Without a bucket to look at, what was granted and is no order counts as on its way. */
function placesOf(look: BucketLook): Omit<AuditedBucket, "provenSeq" | "gapMs"> {
  const { before, audit, epoch } = look;
  const committed = committedBefore(look).units;
  if (audit === null || audit.epoch !== epoch) {
    const unapplied = before.grantedUnits - committed;
    return { bucket: before.bucket, unapplied, available: 0, leased: 0, uncommitted: 0, seq: 0, isOpen: false };
  }
  const { available, leased, reserved, grantedIn, seq, isOpen } = audit;
  const unapplied = before.grantedUnits - grantedIn;
  return { bucket: before.bucket, unapplied, available, leased, uncommitted: reserved - committed, seq, isOpen };
}

function sum<Value>(values: readonly Value[], read: (value: Value) => number): number {
  return values.reduce((all, value) => all + read(value), 0);
}
