/**
 * One bucket of the redis ledger and load on it, through the production adapter in this process.
 *
 * Attempts are made beforehand, so that hashing ids is not part of any figure, and used again in a fresh epoch each time.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createRedisBucketStore } from "../../src/adapters/redis/redis-bucket-store.ts";
import { type BuyerId, deriveRid, type SaleId } from "../../src/domain/ids.ts";
import type { BucketEpoch, BucketStore } from "../../src/ports/bucket-store.ts";
import type { Attempt } from "../../src/ports/ledger.ts";
import type { Log } from "../../src/ports/telemetry.ts";

/** Batches that are under way at the same time, as of a node with few lanes. */
export const IN_FLIGHT = 4;
const ANSWER_TIMEOUT_MS = 10_000;
const FAR_AWAY = 9_000_000_000_000;
const SALE = "bench" as SaleId;

const silent = (): void => undefined;
/** For adapters that must be given a log. */
export const NO_LOG: Log = { debug: silent, info: silent, warn: silent, error: silent };

export function makeAttempts(count: number): readonly Attempt[] {
  return Array.from({ length: count }, (_, index) => {
    const buyerId = `buyer_${String(index).padStart(16, "0")}` as BuyerId;
    return { rid: deriveRid({ buyerId, saleId: SALE, idempotencyKey: "bench-key" }), buyerId, quantity: 1 };
  });
}

/** A store that is connected. Close it. */
export async function openStore(url: string): Promise<BucketStore> {
  const clock = createSystemClock();
  const promises = { deployment: "bench", durability: "everysec", answerTimeoutMs: ANSWER_TIMEOUT_MS } as const;
  const store = createRedisBucketStore({ urls: [url], ...promises, clock, log: NO_LOG });
  await store.warmUp();
  return store;
}

/** Makes a bucket ready to accept, with so many units. */
export async function fillBucket(
  store: BucketStore,
  address: { readonly at: BucketEpoch; readonly saleId: SaleId; readonly units: number; readonly holdMs: number },
): Promise<void> {
  const { at, saleId, units, holdMs } = address;
  const settings = { revision: 1, opensAt: 1, closesAt: FAR_AWAY, isPaused: false, perBuyerMax: 4, holdMs };
  await store.prepare({ ...at, saleId, settings });
  await store.credit({ ...at, creditId: "all", units, notes: [] });
  await store.setGate({ ...at, isOpen: true });
}

/** Buckets of one item, one after the other, each in an epoch of its own. */
export class BucketLoad {
  readonly store: BucketStore;
  readonly #attempts: readonly Attempt[];
  #epoch = 0;

  constructor(store: BucketStore, attempts: readonly Attempt[]) {
    this.store = store;
    this.#attempts = attempts;
  }

  /** Removes the last bucket and makes one with so many units. */
  async freshBucket(units: number): Promise<BucketEpoch> {
    if (this.#epoch > 0) await this.store.remove({ itemId: 1, bucket: 0, epoch: this.#epoch });
    this.#epoch += 1;
    const at = { itemId: 1, bucket: 0, epoch: this.#epoch };
    await fillBucket(this.store, { at, saleId: SALE, units, holdMs: 60_000 });
    return at;
  }

  /** Keeps a few batches in flight until the time is over or the attempts are used up; answers how many were decided. */
  async run(task: { at: BucketEpoch; batch: number; durationMs: number; countMax?: number }): Promise<number> {
    const countMax = Math.min(task.countMax ?? Number.POSITIVE_INFINITY, this.#attempts.length);
    return keepInFlight({ ...task, countMax }, async (from, to) => {
      await this.store.reserve({ ...task.at, leaseId: null, attempts: this.#attempts.slice(from, to) });
    });
  }

  /** Throws unless exactly so many were accepted in the bucket. */
  async checkCount(at: BucketEpoch, accepted: number): Promise<void> {
    const audit = await this.store.audit(at);
    if (audit?.seq !== accepted) throw new Error(`${audit?.seq} were accepted, not ${accepted}`);
  }
}

/** Sends batch after batch, several at the same time; answers how many attempts that were. */
export async function keepInFlight(
  task: { readonly batch: number; readonly durationMs: number; readonly countMax: number },
  send: (from: number, to: number) => Promise<void>,
): Promise<number> {
  const until = performance.now() + task.durationMs;
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < task.countMax && performance.now() < until) {
      const from = next;
      next = Math.min(task.countMax, from + task.batch);
      await send(from, next);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return next;
}
