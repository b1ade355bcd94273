/**
 * The scripts and their restatement agree on every answer of long random histories, on real servers.
 *
 * Calls travel to the server in groups, each followed by an audit of its bucket; then the model makes the same calls with
 * the server's clock. Answers, faults, counts and, now and then, every remembered byte must be equal; beside that a witness that
 * knows neither holds the answers against the invariants. A failure names the seed and the last calls on the bucket; `SEED`
 * replays it, `STEPS` sets the number of calls of each kind.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { bucketKey } from "../../lab/simulation/model/bucket-data.ts";
import { BucketModel } from "../../lab/simulation/model/bucket-model.ts";
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { createRedisBucketStore } from "../../src/adapters/redis/redis-bucket-store.ts";
import { type LoadedScript, loadScripts } from "../../src/adapters/redis/script-loader.ts";
import type { ScriptName } from "../../src/adapters/redis/scripts.ts";
import { isFault } from "../../src/domain/faults.ts";
import {
  BUCKET_VERDICTS,
  type BucketAddress,
  type BucketAnswer,
  type BucketAudit,
  type BucketCredit,
  type BucketStore,
  type ClaimedEntries,
  type LeaseAnswer,
} from "../../src/ports/bucket-store.ts";
import { RecordingLog } from "../support/recording-log.ts";
import { FAMILIES, type Family, type Operation, OperationSource } from "./bucket-operations.ts";
import { BucketWitness } from "./bucket-witness.ts";

const DEPLOYMENT = "histories";
const GROUP = 60;
const GROUPS_PER_DUMP = 20;
const FOREIGN_EVERY = 25;
const HISTORY_LINES = 25;
/** What every history must contain, each at least once in so many calls of a kind. */
const SELDOM = 400;
const OUTCOMES = [
  ...["accepted", "repeated", ...Object.keys(BUCKET_VERDICTS)],
  ...["reserve drew on a lease", "credit again", "credit could not take all", "lease none", "lease some"],
  ...["claimStale some", "claimStale lost", "readNew some", "readFrom some", "findReservation some", "findBySeq some"],
  ...["prepare refused", "prepare done", "LEDGER_FENCED", "LEDGER_BUCKET_MISSING"],
];

/** The servers of a run: `call` reaches the one that has the key. */
export interface HistoryServers {
  readonly urls: readonly string[];
  call(key: string, ...args: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

export function describeBucketHistories(
  name: string,
  stepsByDefault: number,
  open: () => Promise<HistoryServers>,
): void {
  const steps = Number(process.env["STEPS"] ?? stepsByDefault);
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  describe(`buckets: ${name}`, () => {
    let servers: HistoryServers;
    let store: BucketStore;
    before(async () => {
      servers = await open();
      store = await openHistoryStore(servers);
    });
    after(async () => {
      await store.close();
      await servers.stop();
    });

    test(`scripts and model agree over ${steps} random calls of each kind (SEED=${seed})`, async () => {
      const comparison = new Comparison(seed, store, servers);
      const counts = await comparison.run(steps);
      for (const family of FAMILIES) assert.ok(counts[family] >= steps, `${family}: ${counts[family]} calls`);
      const rare = OUTCOMES.filter((outcome) => comparison.timesSeen(outcome) < steps / SELDOM);
      assert.deepEqual(rare, [], "a history in which something hardly happens shows nothing about it");
    });
  });
}

/** A store on the servers; `scripts` other than those on disk to see them fail. */
export async function openHistoryStore(
  servers: HistoryServers,
  scripts: Readonly<Record<ScriptName, LoadedScript>> = loadScripts(),
): Promise<BucketStore> {
  const store = createRedisBucketStore({
    urls: servers.urls,
    deployment: DEPLOYMENT,
    durability: "everysec",
    answerTimeoutMs: 20_000,
    clock: createSystemClock(),
    log: new RecordingLog(),
    scripts,
  });
  await store.warmUp();
  return store;
}

/** Makes one history of so many calls of each kind and throws at the first difference. */
export async function compareHistory(
  seed: number,
  { store, servers, steps }: { store: BucketStore; servers: HistoryServers; steps: number },
): Promise<void> {
  await new Comparison(seed, store, servers).run(steps);
}

/** One history, made on the server and on the model side by side. */
class Comparison {
  readonly #seed: number;
  readonly #store: BucketStore;
  readonly #servers: HistoryServers;
  readonly #source: OperationSource;
  readonly #model: BucketModel;
  readonly #witnesses = new Map<string, BucketWitness>();
  readonly #recent: string[] = [];
  readonly #seen = new Map<string, number>();
  readonly #clocks = new Map<string, number>();
  #nowMs = 0;
  #groups = 0;

  constructor(seed: number, store: BucketStore, servers: HistoryServers) {
    this.#seed = seed;
    this.#store = store;
    this.#servers = servers;
    this.#source = new OperationSource(seed);
    this.#model = new BucketModel({ nowMs: () => this.#nowMs });
  }

  async run(operationsPerFamily: number): Promise<Record<Family, number>> {
    const counts: Record<Family, number> = { reserve: 0, credit: 0, lease: 0, administration: 0, stream: 0 };
    while (FAMILIES.some((family) => counts[family] < operationsPerFamily)) {
      const group: Operation[] = [];
      for (let at = 0; at < GROUP; at += 1) {
        const operation = this.#source.next(FAMILIES[at % FAMILIES.length] ?? "reserve");
        counts[operation.family] += 1;
        group.push(operation);
      }
      await this.#runGroup(group);
      this.#groups += 1;
      if (this.#groups % GROUPS_PER_DUMP === 0) await this.#compareMemory();
      if (this.#groups % FOREIGN_EVERY === 0) await this.#moveToForeignServer(group[0]?.address);
    }
    await this.#compareMemory();
    return counts;
  }

  timesSeen(outcome: string): number {
    return this.#seen.get(outcome) ?? 0;
  }

  async #runGroup(group: readonly Operation[]): Promise<void> {
    const answers: {
      readonly operation: Operation;
      readonly pending: Promise<unknown>;
      readonly audit: Promise<unknown>;
    }[] = [];
    for (const operation of group) {
      if (operation.isAlone) await Promise.all(answers.map(({ audit }) => audit));
      const pending = outcomeOf(() => operation.run(this.#store));
      if (operation.isAlone) await pending;
      answers.push({ operation, pending, audit: outcomeOf(() => this.#store.audit(operation.address)) });
    }
    for (const { operation, pending, audit } of answers) await this.#compare(operation, await pending, await audit);
  }

  async #compare(operation: Operation, real: unknown, audit: unknown): Promise<void> {
    this.#recent.push(`${operation.text} → ${JSON.stringify(real)}`);
    if (this.#recent.length > 400) this.#recent.splice(0, 200);
    // Each server has a clock of its own, and it goes on between the answers that tell it.
    const key = bucketKey(operation.address);
    this.#nowMs = nowOf(real) ?? this.#clocks.get(key) ?? 0;
    const expected = await outcomeOf(() => operation.run(this.#model));
    this.#nowMs = nowOf(audit) ?? this.#nowMs;
    this.#clocks.set(key, this.#nowMs);
    try {
      assert.deepEqual(real, expected);
      assert.deepEqual(audit, this.#model.auditNow(operation.address));
      this.#testify(operation, real, audit as BucketAudit | null);
      for (const outcome of outcomesOf(operation, real)) this.#seen.set(outcome, this.timesSeen(outcome) + 1);
    } catch (error) {
      throw new Error(`SEED=${this.#seed}: ${(error as Error).message}\n${this.#historyOf(operation)}`, {
        cause: error,
      });
    }
  }

  #testify(operation: Operation, real: unknown, audit: BucketAudit | null): void {
    const key = bucketKey(operation.address);
    const witness = this.#witnesses.get(key) ?? new BucketWitness();
    this.#witnesses.set(key, witness);
    const perBuyerMax = this.#model.data.buckets.get(key)?.settings.perBuyerMax;
    if (perBuyerMax !== undefined) witness.limited(perBuyerMax);
    if (typeof real !== "object" || real === null || !("fault" in real)) operation.witness?.(witness, real);
    if (audit === null) witness.prepared();
    else witness.audited(audit);
  }

  /** Everything the server remembers of the model's buckets, byte for byte. */
  async #compareMemory(): Promise<void> {
    for (const bucket of this.#model.data.buckets.values()) {
      const tag = `{${DEPLOYMENT}.${bucket.itemId}.${bucket.bucket}}`;
      const readHash = async (name: string): Promise<Record<string, string>> => {
        const pairs = (await this.#servers.call(`${tag}:${name}`, "HGETALL", `${tag}:${name}`)) as string[];
        return Object.fromEntries(pairs.flatMap((field, at) => (at % 2 === 0 ? [[field, pairs[at + 1] ?? ""]] : [])));
      };
      const expected = {
        buyers: mapped(bucket.buyers, String),
        credits: mapped(bucket.credits, String),
        leases: mapped(bucket.leases, ({ left, nodeId }) => `${left}||${nodeId}`),
        reservations: mapped(bucket.reservations, (kept) => {
          const sign = kept.hasEnded ? "-" : "";
          return `${sign}${kept.seq ?? 0}|${kept.quantity}|${kept.buyerId}|${kept.acceptedAtMs.toString(36)}`;
        }),
      };
      const leases = Object.entries(await readHash("leases"));
      assert.deepEqual(
        {
          buyers: await readHash("buyers"),
          credits: await readHash("credits"),
          // When a lease ends depends on the instant of the call, which its answer does not tell.
          leases: Object.fromEntries(leases.map(([id, value]) => [id, value.replace(/\|\d+\|/, "||")])),
          reservations: await readHash("reservations"),
        },
        expected,
        `SEED=${this.#seed}: memory of ${tag}`,
      );
    }
  }

  /** The bucket wakes up on another server than the one it was prepared on. */
  async #moveToForeignServer(address: BucketAddress | undefined): Promise<void> {
    const bucket = address === undefined ? undefined : this.#model.data.buckets.get(bucketKey(address));
    if (bucket === undefined) return;
    const meta = `{${DEPLOYMENT}.${bucket.itemId}.${bucket.bucket}}:meta`;
    await this.#servers.call(meta, "HSET", meta, "run", "f".repeat(40));
    this.#model.data.buckets.set(bucketKey(bucket), { ...bucket, runId: "another" });
  }

  #historyOf({ address }: Operation): string {
    const part = `"itemId":${address.itemId},`;
    return this.#recent
      .filter((line) => line.includes(part))
      .slice(-HISTORY_LINES)
      .join("\n");
  }
}

async function outcomeOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (!isFault(error)) throw error;
    return { fault: error.code };
  }
}

/** Names of what happened, for seeing that everything happens often enough. */
function outcomesOf({ name, request }: Operation, answer: unknown): string[] {
  if (typeof answer === "object" && answer !== null && "fault" in answer) return [String(answer.fault)];
  if (name === "reserve") return reserveOutcomes(answer as BucketAnswer);
  if (name === "prepare") return [answer === true ? "prepare done" : "prepare refused"];
  if (name === "lease") return [(answer as LeaseAnswer).units === null ? "lease none" : "lease some"];
  if (name === "credit") return creditOutcomes(request as BucketCredit, answer as number);
  if (name === "claimStale") {
    const { entries, lostLastSeqs } = answer as ClaimedEntries;
    return [
      ...(entries.length > 0 ? ["claimStale some"] : []),
      ...(lostLastSeqs.length > 0 ? ["claimStale lost"] : []),
    ];
  }
  const isSome = Array.isArray(answer) ? answer.length > 0 : answer !== null && answer !== undefined;
  return isSome ? [`${name} some`] : [];
}

function reserveOutcomes({ verdicts, seqBefore, leaseLeft }: BucketAnswer): string[] {
  const names = Object.entries(BUCKET_VERDICTS);
  return verdicts.flatMap((verdict) => {
    if (verdict > seqBefore) return leaseLeft === null ? ["accepted"] : ["accepted", "reserve drew on a lease"];
    return verdict > 0 ? ["repeated"] : names.filter(([, value]) => value === verdict).map(([name]) => name);
  });
}

function creditOutcomes(request: BucketCredit, units: number): string[] {
  if (units === request.units) return [];
  return [units <= 0 && units > request.units && request.units < 0 ? "credit could not take all" : "credit again"];
}

function nowOf(answer: unknown): number | undefined {
  return (answer as { readonly nowMs?: number } | null | undefined)?.nowMs;
}

function mapped<Value>(map: ReadonlyMap<string, Value>, write: (value: Value) => string): Record<string, string> {
  return Object.fromEntries([...map].map(([key, value]) => [key, write(value)]));
}
