/**
 * The buckets of the redis ledger in Redis or Valkey, one server or a Cluster. `implements BucketStore`.
 *
 * Every decision is one Lua script (scripts/), so this file only builds commands and reads answers; what a command
 * needs is built once a batch, not once an attempt. Which answers are faults is in ledger-replies.ts, who is called and
 * for how long in redis-servers.ts and redis-connection.ts. Nothing is retried here: callers resend the same ids.
 */
import { strict as assert } from "node:assert";
import { Fault } from "../../domain/faults.ts";
import type {
  BucketAddress,
  BucketAnswer,
  BucketAudit,
  BucketCredit,
  BucketEpoch,
  BucketReserve,
  BucketSettings,
  BucketStore,
  ClaimedEntries,
  LeaseAnswer,
  LeaseCall,
  RememberedReservation,
  StoreHealth,
  StreamEntry,
} from "../../ports/bucket-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/telemetry.ts";
import { BucketAudits } from "./bucket-audits.ts";
import { BucketStreams } from "./bucket-streams.ts";
import { lookAtServer } from "./durability.ts";
import { type BucketKeys, LedgerKeys } from "./keys.ts";
import { loadedRecord, parseRecord, toLedgerFault } from "./ledger-replies.ts";
import { RedisServers } from "./redis-servers.ts";
import { evaluate, installScripts, type LoadedScript, loadScripts } from "./script-loader.ts";
import { commandOf, type ScriptName } from "./scripts.ts";

/** Attempts of one call: Lua's stack holds a few thousand values, and a batch should not hold up the others. */
const ATTEMPTS_MAX = 1_024;
const LOADED_ROWS_MAX = 1_000;
const SCAN_ROWS = 1_000;
/** What an epoch accepted can still be read for this long after the next one was prepared. */
const RETAINED_STREAM_MS = 3_600_000;
const WARM_UP_MS_MAX = 3_000;
const PREPARE_TRIES_MAX = 5;

export interface RedisBucketStoreOptions {
  readonly urls: readonly string[];
  /** The short id of the database whose units these are: two deployments may share a Redis. */
  readonly deployment: string;
  readonly durability: "always" | "everysec";
  readonly answerTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Other scripts than those on disk: for showing that a wrong one is noticed. */
  readonly scripts?: Readonly<Record<ScriptName, LoadedScript>>;
}

/** Connects in `warmUp` and comes back by itself; while there is no connection, calls fail at once. */
export function createRedisBucketStore(options: RedisBucketStoreOptions): BucketStore {
  return new RedisBucketStore(options);
}

class RedisBucketStore implements BucketStore {
  readonly #keys: LedgerKeys;
  readonly #servers: RedisServers;
  readonly #scripts: Readonly<Record<ScriptName, LoadedScript>>;
  readonly #streams: BucketStreams;
  readonly #audits: BucketAudits;
  readonly #durability: "always" | "everysec";

  constructor({ urls, deployment, durability, answerTimeoutMs, clock, log, scripts }: RedisBucketStoreOptions) {
    this.#keys = new LedgerKeys(deployment);
    this.#scripts = scripts ?? loadScripts();
    this.#durability = durability;
    this.#servers = new RedisServers({
      urls,
      answerTimeoutMs,
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      log,
      prepare: (send) => installScripts(this.#scripts, send),
    });
    this.#streams = new BucketStreams(this.#keys, this.#servers);
    this.#audits = new BucketAudits({
      keys: this.#keys,
      servers: this.#servers,
      evaluate: (keys, command) => this.#evaluate("audit", keys, command),
    });
  }

  async reserve(request: BucketReserve): Promise<BucketAnswer> {
    const { epoch, leaseId, attempts } = request;
    assert(attempts.length <= ATTEMPTS_MAX, `a batch of ${attempts.length} attempts`);
    const keys = this.#keysOf(request);
    const command = commandOf(
      "reserve",
      { ...keys, stream: this.#keys.streamOf(request, epoch) },
      { epoch: String(epoch), leaseId: leaseId ?? "", attempts: String(attempts.length) },
    );
    for (const { rid, buyerId, quantity } of attempts) command.push(rid, buyerId, String(quantity));
    const reply = (await this.#evaluate("reserve", keys, command)) as [
      number,
      number,
      number,
      number,
      number,
      number[],
    ];
    return {
      verdicts: reply[5],
      seqBefore: reply[0],
      left: reply[1],
      leaseLeft: reply[2] < 0 ? null : reply[2],
      nowMs: reply[3],
      holdMs: reply[4],
    };
  }

  async credit(request: BucketCredit): Promise<number> {
    const { epoch, creditId, units, notes } = request;
    const keys = this.#keysOf(request);
    const args = { epoch: String(epoch), creditId, units: String(units), notes: String(notes.length) };
    const command = commandOf("credit", keys, args);
    for (const { kind, rid, buyerId } of notes) command.push(kind, rid, buyerId);
    return (await this.#evaluate("credit", keys, command)) as number;
  }

  async lease(request: LeaseCall): Promise<LeaseAnswer> {
    const keys = this.#keysOf(request);
    const command = commandOf("lease", keys, {
      epoch: String(request.epoch),
      op: request.op,
      leaseId: request.op === "sweep" ? "" : request.leaseId,
      nodeId: request.op === "acquire" ? request.nodeId : "",
      units: request.op === "acquire" ? String(request.units) : "0",
      ttlMs: request.op === "acquire" || request.op === "renew" ? String(request.ttlMs) : "0",
    });
    const [units, available, leased] = (await this.#evaluate("lease", keys, command)) as [number, number, number];
    return { units: units < 0 ? null : units, available, leased };
  }

  audit(address: BucketAddress): Promise<BucketAudit | null> {
    return this.#audits.audit(address);
  }

  auditEach(addresses: readonly BucketAddress[]): Promise<readonly (BucketAudit | null)[]> {
    return this.#audits.auditEach(addresses);
  }

  async prepare(request: Parameters<BucketStore["prepare"]>[0]): Promise<boolean> {
    return this.#fromKnownEpoch(request, "prepare", {
      epoch: String(request.epoch),
      group: BucketStreams.GROUP,
      retainMs: String(RETAINED_STREAM_MS),
      saleId: request.saleId,
      ...settingArgs(request.settings),
    });
  }

  async remove(request: BucketEpoch): Promise<void> {
    await this.#fromKnownEpoch(request, "remove", { epoch: String(request.epoch) });
  }

  async load(request: Parameters<BucketStore["load"]>[0]): Promise<void> {
    const buyers = request.buyers.map(({ buyerId, quantity }) => [buyerId, String(quantity)] as const);
    const reservations = request.reservations.map((each) => [each.rid, loadedRecord(each)] as const);
    await this.#load(request, "buyers", buyers);
    await this.#load(request, "reservations", reservations);
  }

  async setGate(request: BucketEpoch & { readonly isOpen: boolean }): Promise<void> {
    const keys = this.#keysOf(request);
    const args = { epoch: String(request.epoch), isOpen: request.isOpen ? "1" : "0" };
    await this.#evaluate("gate", keys, commandOf("gate", keys, args));
  }

  async applySettings(request: BucketEpoch & { readonly settings: BucketSettings }): Promise<void> {
    const keys = this.#keysOf(request);
    const args = { epoch: String(request.epoch), ...settingArgs(request.settings) };
    await this.#evaluate("settings", keys, commandOf("settings", keys, args));
  }

  async markCommitted(request: BucketEpoch & { readonly seq: number }): Promise<void> {
    const keys = this.#keysOf(request);
    const args = { epoch: String(request.epoch), seq: String(request.seq) };
    await this.#evaluate("committed", keys, commandOf("committed", keys, args));
  }

  readNew(
    request: BucketEpoch & { readonly consumerId: string; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]> {
    return this.#streams.readNew(request);
  }

  readNewOfEach(request: Parameters<BucketStore["readNewOfEach"]>[0]): ReturnType<BucketStore["readNewOfEach"]> {
    return this.#streams.readNewOfEach(request);
  }

  claimStale(
    request: BucketEpoch & { readonly consumerId: string; readonly idleMsMin: number; readonly entriesMax: number },
  ): Promise<ClaimedEntries> {
    return this.#streams.claimStale(request);
  }

  acknowledge(request: BucketEpoch & { readonly lastSeqs: readonly number[] }): Promise<void> {
    return this.#streams.acknowledge(request);
  }

  readFrom(
    request: BucketEpoch & { readonly afterSeq: number; readonly entriesMax: number },
  ): Promise<readonly StreamEntry[]> {
    return this.#streams.readFrom(request);
  }

  trim(request: BucketEpoch & { readonly throughSeq: number }): Promise<void> {
    return this.#streams.trim(request);
  }

  async findReservation(request: BucketAddress & { readonly rid: string }): Promise<RememberedReservation | null> {
    const keys = this.#keysOf(request);
    const value = await this.#call(keys.slot, ["HGET", keys.reservations, request.rid]);
    return typeof value === "string" ? parseRecord(request.rid, value) : null;
  }

  async findBySeq(request: BucketEpoch & { readonly seq: number }): Promise<RememberedReservation | null> {
    const keys = this.#keysOf(request);
    if ((await this.#readEpoch(keys)) !== String(request.epoch) || request.seq <= 0) return null;
    let cursor = "0";
    do {
      const scan = ["HSCAN", keys.reservations, cursor, "COUNT", String(SCAN_ROWS)];
      const [next, pairs] = (await this.#call(keys.slot, scan)) as [string, string[]];
      for (let at = 0; at + 1 < pairs.length; at += 2) {
        const found = parseRecord(pairs[at] ?? "", pairs[at + 1] ?? "");
        if (found?.seq === request.seq) return found;
      }
      cursor = next;
    } while (cursor !== "0");
    return null;
  }

  async health(): Promise<StoreHealth> {
    const looks = await Promise.allSettled(
      this.#servers.masters().map((server) => lookAtServer((args) => server.call(args), this.#durability)),
    );
    const seen = looks.flatMap((look) => (look.status === "fulfilled" ? [look.value] : []));
    const first = seen[0];
    if (first === undefined) {
      const failure = looks.find((look) => look.status === "rejected");
      throw toLedgerFault(failure?.reason ?? new Error("no server is known"));
    }
    const problems = seen.flatMap(({ unsafe }) => (unsafe === null ? [] : [unsafe]));
    if (this.#servers.isMisnamed) problems.push("REDIS_URL names several servers, but they are no Cluster");
    return {
      runIds: seen.map(({ runId }) => runId),
      unsafe: problems.length === 0 ? null : [...new Set(problems)].join("; "),
      failing: seen.find(({ failing }) => failing !== null)?.failing ?? null,
      clockMs: first.clockMs,
    };
  }

  async warmUp(): Promise<void> {
    this.#servers.open();
    await this.#servers.whenReady(WARM_UP_MS_MAX);
  }

  async close(): Promise<void> {
    this.#servers.close();
  }

  #keysOf(address: BucketAddress): BucketKeys {
    return this.#keys.of(address);
  }

  async #evaluate(name: ScriptName, keys: BucketKeys, command: string[]): Promise<unknown> {
    try {
      return await evaluate(this.#scripts[name], command, (args) => this.#servers.call(keys.slot, args));
    } catch (error) {
      throw toLedgerFault(error);
    }
  }

  async #call(slot: number, args: string[]): Promise<unknown> {
    try {
      return await this.#servers.call(slot, args);
    } catch (error) {
      throw toLedgerFault(error);
    }
  }

  async #readEpoch(keys: BucketKeys): Promise<string | null> {
    return (await this.#call(keys.slot, ["HGET", keys.meta, "epoch"])) as string | null;
  }

  /** Keys have to be named beforehand, and a stream's name has its epoch in it: look, then act if it is still so. */
  async #fromKnownEpoch<Name extends "prepare" | "remove">(
    request: BucketEpoch,
    name: Name,
    args: Readonly<Record<string, string>> & { readonly epoch: string },
  ): Promise<boolean> {
    const keys = this.#keysOf(request);
    const stream = this.#keys.streamOf(request, request.epoch);
    for (let tries = 0; tries < PREPARE_TRIES_MAX; tries += 1) {
      const previous = await this.#readEpoch(keys);
      const previousStream = previous === null ? stream : this.#keys.streamOf(request, Number(previous));
      const named = { ...keys, stream, previousStream };
      const all = { ...args, previousEpoch: previous ?? "" } as Parameters<typeof commandOf<Name>>[2];
      const done = await this.#evaluate(name, keys, commandOf(name, named as never, all));
      if (done !== -1) return done === 1;
    }
    throw new Fault("LEDGER_UNAVAILABLE", { internal: `somebody else keeps changing ${keys.meta}` });
  }

  async #load(
    request: BucketEpoch,
    kind: "buyers" | "reservations",
    rows: readonly (readonly [string, string])[],
  ): Promise<void> {
    const keys = this.#keysOf(request);
    for (let from = 0; from === 0 || from < rows.length; from += LOADED_ROWS_MAX) {
      const command = commandOf("load", keys, { epoch: String(request.epoch), kind });
      for (const [id, value] of rows.slice(from, from + LOADED_ROWS_MAX)) command.push(id, value);
      await this.#evaluate("load", keys, command);
    }
  }
}

function settingArgs(settings: BucketSettings) {
  return {
    revision: String(settings.revision),
    opensAt: String(settings.opensAt),
    closesAt: String(settings.closesAt),
    isPaused: settings.isPaused ? "1" : "0",
    perBuyerMax: String(settings.perBuyerMax),
    holdMs: String(settings.holdMs),
  };
}
