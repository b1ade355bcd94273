/**
 * The scripts of a bucket restated: each function is one atomic step over plain data.
 *
 * The one thing to know: a function either throws before it changed anything or does all of it, as the scripts do. The
 * tests of the redis adapter compare it, call for call, with what a real server answers; the simulator runs on it. Where
 * a bucket is looked up, and what is checked before each step, is in bucket-model.ts.
 */
import type {
  BucketAnswer,
  BucketCredit,
  BucketNote,
  BucketReserve,
  LeaseAnswer,
  LeaseCall,
  StreamEntry,
} from "../../../src/ports/bucket-store.ts";
import { BUCKET_VERDICTS } from "../../../src/ports/bucket-store.ts";
import type { Attempt } from "../../../src/ports/ledger.ts";
import type { BucketData, Remembered, StreamData } from "./bucket-data.ts";

/** What a mutant takes away. Everything is true in the real scripts. */
export interface BucketRules {
  /** A credit with a known id changes nothing. */
  readonly creditsOnce: boolean;
  /** A bucket that was prepared on another server refuses. */
  readonly checksRunId: boolean;
  /** Another epoch than the bucket's is refused. */
  readonly checksEpoch: boolean;
  /** A lease that was swept or taken back is worth nothing. */
  readonly forgetsSweptLeases: boolean;
  /** A rid that was accepted is recognised before anything else is looked at. */
  readonly recognisesRepeats: boolean;
  /** Leases give back what they hold when their time is over. */
  readonly sweepsLeases: boolean;
  /** Leases are taken back before anybody is told "empty". */
  readonly takesLeasesBack: boolean;
}

export const REAL_BUCKET_RULES: BucketRules = {
  creditsOnce: true,
  checksRunId: true,
  checksEpoch: true,
  forgetsSweptLeases: true,
  recognisesRepeats: true,
  sweepsLeases: true,
  takesLeasesBack: true,
};

/** What the attempts of one call share while they are decided, one after the other. */
interface Deciding {
  readonly nowMs: number;
  readonly windowVerdict: number;
  readonly rows: { seq: number; rid: string; buyerId: string; quantity: number }[];
  /** Units left in the lease that was named; null when it does not exist. */
  leaseLeft: number | null;
}

/** Decides a batch. What it accepts becomes one entry of the stream. */
export function reserve(
  bucket: BucketData,
  stream: StreamData,
  request: BucketReserve,
  nowMs: number,
  rules: BucketRules,
): BucketAnswer {
  const seqBefore = bucket.seq;
  const lease = request.leaseId === null ? undefined : bucket.leases.get(request.leaseId);
  const deciding: Deciding = {
    nowMs,
    windowVerdict: windowVerdictAt(bucket, nowMs),
    rows: [],
    leaseLeft: lease !== undefined && lease.expiresAtMs > nowMs ? lease.left : null,
  };
  const verdicts = request.attempts.map((attempt) => decide(bucket, request.leaseId, attempt, deciding, rules));
  if (deciding.rows.length > 0) append(stream, entryOf(bucket, seqBefore, nowMs, deciding.rows));
  const { available, leased } = bucket;
  return {
    verdicts,
    seqBefore,
    left: available + leased,
    leaseLeft: deciding.leaseLeft,
    nowMs,
    holdMs: bucket.settings.holdMs,
  };
}

function windowVerdictAt({ settings }: BucketData, nowMs: number): number {
  if (nowMs >= settings.closesAt) return BUCKET_VERDICTS.closed;
  if (settings.isPaused) return BUCKET_VERDICTS.paused;
  return nowMs < settings.opensAt ? BUCKET_VERDICTS.not_open : 1;
}

function decide(
  bucket: BucketData,
  leaseId: string | null,
  attempt: Attempt,
  deciding: Deciding,
  rules: BucketRules,
): number {
  const known = rules.recognisesRepeats ? bucket.reservations.get(attempt.rid) : undefined;
  if (known !== undefined) return repeatVerdict(known, attempt);
  const { quantity, buyerId, rid } = attempt;
  const { perBuyerMax } = bucket.settings;
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > perBuyerMax) return BUCKET_VERDICTS.bad_quantity;
  if (deciding.windowVerdict <= 0) return deciding.windowVerdict;
  const has = bucket.buyers.get(buyerId) ?? 0;
  if (has + quantity > perBuyerMax) return BUCKET_VERDICTS.limit_reached;
  if (!rules.forgetsSweptLeases && leaseId !== null && deciding.leaseLeft === null) deciding.leaseLeft = quantity;
  if (bucket.available + (deciding.leaseLeft ?? 0) < quantity) {
    const reachable = rules.takesLeasesBack ? bucket.available + bucket.leased : 0;
    if (reachable < quantity) return BUCKET_VERDICTS.empty;
    takeLeasesBack(bucket);
    deciding.leaseLeft = null;
  }
  draw(bucket, leaseId, quantity, deciding);
  bucket.seq += 1;
  bucket.reserved += quantity;
  bucket.buyers.set(buyerId, has + quantity);
  bucket.reservations.set(rid, { seq: bucket.seq, quantity, buyerId, acceptedAtMs: deciding.nowMs, hasEnded: false });
  deciding.rows.push({ seq: bucket.seq, rid, buyerId, quantity });
  return bucket.seq;
}

function repeatVerdict(known: Remembered, attempt: Attempt): number {
  if (known.buyerId !== attempt.buyerId || known.quantity !== attempt.quantity) return BUCKET_VERDICTS.key_reused;
  if (known.hasEnded) return BUCKET_VERDICTS.ended;
  return known.seq ?? BUCKET_VERDICTS.known;
}

/** The lease's units go first, the rest comes from what is available. */
function draw(bucket: BucketData, leaseId: string | null, quantity: number, deciding: Deciding): void {
  const fromLease = Math.min(deciding.leaseLeft ?? 0, quantity);
  bucket.available -= quantity - fromLease;
  if (fromLease === 0 || leaseId === null) return;
  deciding.leaseLeft = (deciding.leaseLeft ?? 0) - fromLease;
  bucket.leased -= fromLease;
  const lease = bucket.leases.get(leaseId);
  if (lease !== undefined) bucket.leases.set(leaseId, { ...lease, left: deciding.leaseLeft });
}

/** Leases are soft: their consumption is recorded here and nowhere else, so taking them back is always safe. */
function takeLeasesBack(bucket: BucketData): void {
  bucket.available += bucket.leased;
  bucket.leased = 0;
  bucket.leases.clear();
}

function entryOf(bucket: BucketData, seqBefore: number, nowMs: number, rows: StreamEntry["rows"]): StreamEntry {
  const { holdMs } = bucket.settings;
  return { firstSeq: seqBefore + 1, lastSeq: bucket.seq, acceptedAtMs: nowMs, holdMs, rows, unreadable: [] };
}

function append(stream: StreamData, entry: StreamEntry): void {
  stream.entries.push(entry);
  stream.lastSeq = entry.lastSeq;
}

/** Moves units in or out and takes note of what ended; answers the units that moved. */
export function credit(bucket: BucketData, request: BucketCredit, rules: BucketRules): number {
  const before = bucket.credits.get(request.creditId);
  if (before !== undefined && rules.creditsOnce) return before;
  let { units } = request;
  if (-units > bucket.available) takeLeasesBack(bucket);
  if (-units > bucket.available) units = bucket.available === 0 ? 0 : -bucket.available;
  bucket.available += units;
  bucket.grantedIn += units;
  bucket.credits.set(request.creditId, units);
  for (const note of request.notes) takeNote(bucket, note);
  return units;
}

function takeNote(bucket: BucketData, note: BucketNote): void {
  const known = bucket.reservations.get(note.rid);
  const hasEnded = note.kind === "ended";
  if (known === undefined || known.buyerId !== note.buyerId || known.hasEnded === hasEnded) return;
  bucket.reservations.set(note.rid, { ...known, hasEnded });
  const units = (bucket.buyers.get(note.buyerId) ?? 0) + (hasEnded ? -known.quantity : known.quantity);
  if (units > 0) bucket.buyers.set(note.buyerId, units);
  else bucket.buyers.delete(note.buyerId);
}

/** Lends units to a node, or takes them back. Leases whose time is over are swept first. */
export function lease(bucket: BucketData, call: LeaseCall, nowMs: number, rules: BucketRules): LeaseAnswer {
  if (rules.sweepsLeases) sweep(bucket, nowMs);
  const units = leaseUnits(bucket, call, nowMs);
  return { units, available: bucket.available, leased: bucket.leased };
}

function sweep(bucket: BucketData, nowMs: number): void {
  for (const [leaseId, { left, expiresAtMs }] of bucket.leases) {
    if (expiresAtMs > nowMs) continue;
    bucket.leases.delete(leaseId);
    bucket.available += left;
    bucket.leased -= left;
  }
}

function leaseUnits(bucket: BucketData, call: LeaseCall, nowMs: number): number | null {
  if (call.op === "sweep") return null;
  const known = bucket.leases.get(call.leaseId);
  if (call.op === "acquire") return known?.left ?? lend(bucket, call, nowMs);
  if (known === undefined) return null;
  if (call.op === "renew") {
    bucket.leases.set(call.leaseId, { ...known, expiresAtMs: nowMs + call.ttlMs });
  } else {
    bucket.leases.delete(call.leaseId);
    bucket.available += known.left;
    bucket.leased -= known.left;
  }
  return known.left;
}

/** Half of a fair share at most, so that the last units stay where every node finds them. */
function lend(bucket: BucketData, call: LeaseCall & { readonly op: "acquire" }, nowMs: number): number | null {
  const share = Math.floor(bucket.available / (2 * (bucket.leases.size + 1)));
  const units = Math.min(call.units, Math.max(share, Math.min(1, bucket.available)));
  if (units <= 0) return null;
  bucket.leases.set(call.leaseId, { left: units, expiresAtMs: nowMs + call.ttlMs, nodeId: call.nodeId });
  bucket.available -= units;
  bucket.leased += units;
  return units;
}
