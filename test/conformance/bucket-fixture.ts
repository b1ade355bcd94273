/**
 * A store of buckets on real servers for tests of single calls, with the words that most of them need.
 */
import assert from "node:assert/strict";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createRedisBucketStore } from "../../src/adapters/redis/redis-bucket-store.ts";
import { type FaultCode, isFault } from "../../src/domain/faults.ts";
import type { SaleId } from "../../src/domain/ids.ts";
import { parseBuyerId, parseRid } from "../../src/domain/ids.ts";
import type { BucketEpoch, BucketSettings, BucketStore } from "../../src/ports/bucket-store.ts";
import type { Attempt } from "../../src/ports/ledger.ts";
import { RecordingLog } from "../support/recording-log.ts";

export const DEPLOYMENT = "fixture";
export const ANSWER_TIMEOUT_MS = 400;
const FAR_AWAY = 9_000_000_000_000;

/** A store that answers or fails within {@link ANSWER_TIMEOUT_MS}. */
export function makeStore(
  urls: readonly string[],
  { durability = "always", log = new RecordingLog() }: { durability?: "always" | "everysec"; log?: RecordingLog } = {},
): BucketStore {
  const clock = createSystemClock();
  return createRedisBucketStore({
    urls,
    deployment: DEPLOYMENT,
    durability,
    answerTimeoutMs: ANSWER_TIMEOUT_MS,
    clock,
    log,
  });
}

export async function openStore(urls: readonly string[], durability?: "always" | "everysec"): Promise<BucketStore> {
  const store = makeStore(urls, durability === undefined ? {} : { durability });
  await store.warmUp();
  return store;
}

export function settingsOf(changes: Partial<BucketSettings> = {}): BucketSettings {
  return {
    revision: 1,
    opensAt: 1_000,
    closesAt: FAR_AWAY,
    isPaused: false,
    perBuyerMax: 2,
    holdMs: 60_000,
    ...changes,
  };
}

/** Prepares a bucket with so many units and opens it. */
export async function openBucket(
  store: BucketStore,
  at: BucketEpoch,
  { units, ...settings }: { units: number } & Partial<BucketSettings>,
): Promise<void> {
  assert.equal(await store.prepare({ ...at, saleId: "sale" as SaleId, settings: settingsOf(settings) }), true);
  await store.credit({ ...at, creditId: `grant-${at.epoch}`, units, notes: [] });
  await store.setGate({ ...at, isOpen: true });
}

/** An attempt of a buyer of its own. */
export function attemptOf(number: number, quantity = 1): Attempt {
  const rid = parseRid(`rid_${String(number).padStart(24, "0")}`);
  const buyerId = parseBuyerId(`buyer_${String(number).padStart(16, "0")}`);
  if (rid === null || buyerId === null) throw new Error("ids have our form");
  return { rid, buyerId, quantity };
}

export function attemptsOf(first: number, count: number): Attempt[] {
  return Array.from({ length: count }, (_, index) => attemptOf(first + index));
}

/** Waits for the fault and answers its internal text. */
export async function faultOf(work: Promise<unknown>, code: FaultCode): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.ok(isFault(error, code), `${code} was expected, not ${String(error)}`);
    return error.internal ?? "";
  }
  assert.fail(`${code} was expected, but there was an answer`);
}
