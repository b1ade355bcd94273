/**
 * Leases: units that a bucket has set aside for this node, so that the node knows how many acceptances are certain.
 *
 * The point of sale stays in the bucket: a leased unit is used up only by a flush that names the lease, in the step that
 * records it. Therefore nothing here is needed for safety. A lease that was swept, taken back or slept over sells
 * nothing: the flush draws from what the bucket has, or comes back empty. What a lease buys is an answer while Redis
 * stalls: as many attempts as are certain wait, the rest are turned away at once.
 *
 *   none ──accepting──► acquire ──► held ──renew each ttl/3──► held ──swept, used up, idle──► none
 *                                     └──stop──► returned
 */
import { isFault } from "../domain/faults.ts";
import type { BucketEpoch, BucketStore } from "../ports/bucket-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/telemetry.ts";
import { within } from "./deadline.ts";

export const LEASE_TTL_MS = 3_000;
/** How often a lease is renewed, sized anew or given up. */
export const LEASE_RENEW_MS = LEASE_TTL_MS / 3;
/** The local clock is believed for this part of a lease's life. It only ever makes us stop early. */
const HINT_FRACTION = 0.5;
/** How much of the newest measurement goes into the rate of acceptance. */
const RATE_WEIGHT = 0.5;
const RETURN_DEADLINE_MS = 1_000;
/** Units of one lease: the bucket gives less when it has less. */
const LEASE_UNITS_MAX = 10_000;

interface Lane {
  readonly address: BucketEpoch;
  leaseId: string | null;
  left: number;
  hintUntilMs: number;
  /** Units accepted since the last look, and the smoothed rate. */
  acceptedUnits: number;
  unitsPerS: number;
}

export interface LeaseHolderParts {
  readonly store: Pick<BucketStore, "lease">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nodeId: string;
}

/** The leases of one node, one at a time for each bucket that it sells from. */
export class LeaseHolder {
  readonly #parts: LeaseHolderParts;
  readonly #bootId: string;
  readonly #lanes = new Map<number, Map<number, Lane>>();
  #counter = 0;
  #cancelTimer: (() => void) | null = null;
  #running: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(parts: LeaseHolderParts) {
    this.#parts = parts;
    // Drawn anew by every process, so that a node that restarts never names a lease of its former life.
    this.#bootId = `${parts.nodeId}.${parts.random.id()}`;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#schedule();
  }

  /** Gives every lease back. Buckets that do not answer sweep theirs by themselves. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const wait = { clock: this.#parts.clock, limitMs: RETURN_DEADLINE_MS, what: "returning leases" };
    try {
      await within(wait, this.#returnAll());
    } catch (error) {
      this.#parts.log.debug({ error }, "not all leases were returned; the buckets sweep them");
    }
  }

  async #returnAll(): Promise<void> {
    await this.#running;
    const held = this.#allLanes().filter((lane) => lane.leaseId !== null);
    this.#lanes.clear();
    await Promise.all(held.map((lane) => this.#return(lane)));
  }

  /** The lease that a flush to this bucket names; null when there is none. */
  leaseOf(address: BucketEpoch): string | null {
    const lane = this.#lanes.get(address.itemId)?.get(address.bucket);
    return lane?.address.epoch === address.epoch ? lane.leaseId : null;
  }

  /** A flush came back: what it accepted, and what is left of the lease that it named. */
  learn(
    address: BucketEpoch,
    answer: { leaseId: string | null; leaseLeft: number | null; acceptedUnits: number },
  ): void {
    const lane = this.#laneOf(address);
    lane.acceptedUnits += answer.acceptedUnits;
    if (answer.leaseId === null || answer.leaseId !== lane.leaseId) return;
    if (answer.leaseLeft === null || answer.leaseLeft === 0) forget(lane);
    else lane.left = answer.leaseLeft;
  }

  /** Units of the item that are certain to be this node's at this moment. */
  certainUnits(itemId: number): number {
    const nowMs = this.#parts.clock.monotonicMs();
    let units = 0;
    for (const lane of this.#lanes.get(itemId)?.values() ?? []) {
      if (lane.leaseId !== null && nowMs < lane.hintUntilMs) units += lane.left;
    }
    return units;
  }

  #laneOf(address: BucketEpoch): Lane {
    const { itemId, bucket, epoch } = address;
    let lanes = this.#lanes.get(itemId);
    if (lanes === undefined) {
      lanes = new Map();
      this.#lanes.set(itemId, lanes);
    }
    const known = lanes.get(bucket);
    if (known !== undefined && known.address.epoch === epoch) return known;
    // Leases of an epoch that is over died with it.
    const counters = { left: 0, hintUntilMs: 0, acceptedUnits: 0, unitsPerS: 0 };
    const lane: Lane = { address: { itemId, bucket, epoch }, leaseId: null, ...counters };
    lanes.set(bucket, lane);
    return lane;
  }

  #allLanes(): Lane[] {
    return [...this.#lanes.values()].flatMap((lanes) => [...lanes.values()]);
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancelTimer = this.#parts.clock.setTimer(LEASE_RENEW_MS, () => {
      this.#running = this.#lookAtAll().finally(() => this.#schedule());
    });
  }

  async #lookAtAll(): Promise<void> {
    await Promise.all(this.#allLanes().map((lane) => this.#lookAt(lane)));
  }

  /** Renews, takes or gives up one lease, as the last second suggests. Never rejects: leases are a convenience. */
  async #lookAt(lane: Lane): Promise<void> {
    const unitsPerS = (lane.acceptedUnits * 1_000) / LEASE_RENEW_MS;
    lane.unitsPerS = RATE_WEIGHT * unitsPerS + (1 - RATE_WEIGHT) * lane.unitsPerS;
    lane.acceptedUnits = 0;
    const wanted = Math.min(LEASE_UNITS_MAX, Math.ceil((lane.unitsPerS * LEASE_TTL_MS) / 1_000));
    try {
      if (lane.unitsPerS < 1) {
        this.#drop(lane);
        await this.#return(lane);
      } else if (lane.leaseId === null || lane.left * 2 < wanted) {
        await this.#return(lane);
        if (!this.#isStopped) await this.#acquire(lane, wanted);
      } else {
        await this.#renew(lane, lane.leaseId);
      }
    } catch (error) {
      const isOver = isFault(error, "LEDGER_FENCED") || isFault(error, "LEDGER_BUCKET_MISSING");
      // No answer is no reason to forget a lease: that is when it is of use, until its hint is over.
      if (isOver) this.#drop(lane);
      else this.#parts.log.debug({ error, ...lane.address }, "a lease could not be looked after");
    }
  }

  async #acquire(lane: Lane, units: number): Promise<void> {
    const { store, nodeId } = this.#parts;
    this.#counter += 1;
    const leaseId = `${this.#bootId}.${this.#counter}`;
    const askedAtMs = this.#parts.clock.monotonicMs();
    const answer = await store.lease({ ...lane.address, op: "acquire", leaseId, nodeId, units, ttlMs: LEASE_TTL_MS });
    if (answer.units === null || answer.units === 0) return;
    lane.leaseId = leaseId;
    lane.left = answer.units;
    lane.hintUntilMs = askedAtMs + LEASE_TTL_MS * HINT_FRACTION;
  }

  async #renew(lane: Lane, leaseId: string): Promise<void> {
    const askedAtMs = this.#parts.clock.monotonicMs();
    const answer = await this.#parts.store.lease({ ...lane.address, op: "renew", leaseId, ttlMs: LEASE_TTL_MS });
    if (lane.leaseId !== leaseId) return;
    if (answer.units === null) {
      forget(lane);
      return;
    }
    lane.left = Math.min(lane.left, answer.units);
    lane.hintUntilMs = askedAtMs + LEASE_TTL_MS * HINT_FRACTION;
  }

  async #return(lane: Lane): Promise<void> {
    const { leaseId } = lane;
    if (leaseId === null) return;
    forget(lane);
    try {
      await this.#parts.store.lease({ ...lane.address, op: "return", leaseId });
    } catch (error) {
      this.#parts.log.debug({ error, ...lane.address }, "a lease was not returned; the bucket sweeps it");
    }
  }

  #drop(lane: Lane): void {
    const lanes = this.#lanes.get(lane.address.itemId);
    if (lanes?.get(lane.address.bucket) !== lane) return;
    lanes.delete(lane.address.bucket);
    if (lanes.size === 0) this.#lanes.delete(lane.address.itemId);
  }
}

function forget(lane: Lane): void {
  lane.leaseId = null;
  lane.left = 0;
}
