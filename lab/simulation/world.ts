/**
 * The world of one schedule: the servers, the processes, the buyers, and what happens to them.
 *
 * The one thing to know: it only brings things about. What the processes do is production code over ports.ts, what may
 * never be seen is in checks.ts, and what has to be true in the end is in endings.ts. Whoever finds something wrong calls
 * `fail`, and the first finding is the schedule's.
 */
import type { SaleId } from "../../src/domain/ids.ts";
import type { Sale } from "../../src/domain/sale.ts";
import type { Books } from "../../src/ports/books.ts";
import type { BucketStore } from "../../src/ports/bucket-store.ts";
import type { CommitHint } from "../../src/ports/commit-feed.ts";
import type { PaymentProvider } from "../../src/ports/payment-provider.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { createSeededRandom, type SeededRandom } from "../swarm/seeded-random.ts";
import { Ledgerbook } from "./acknowledgements.ts";
import { ApiNode } from "./api-node.ts";
import { startBuyer } from "./buyer.ts";
import { type Acknowledgement, Checks } from "./checks.ts";
import type { Trap, Weather } from "./link.ts";
import { BooksModel } from "./model/books-model.ts";
import type { BooksRules } from "./model/books-tables.ts";
import type { BucketRules } from "./model/bucket-scripts.ts";
import { modelItem, modelSale } from "./model/model-sale.ts";
import { Sleepers } from "./poll-clock.ts";
import { RedisSide } from "./redis-side.ts";
import { processNames, type Schedule, type SimConfig, type SimEvent, STORM } from "./schedule.ts";
import { LeaderLock } from "./sim-leadership.ts";
import { SimProvider } from "./sim-provider.ts";
import { createProcess, type SimProcess, START_MS, Timeline } from "./timeline.ts";
import { createLog, type TraceLine } from "./trace.ts";
import { SimWorker } from "./worker.ts";

export const SALE_ID = "sale" as SaleId;
export const ITEM_ID = 1;
const FEED_LOSS = 0.05;
const ANNOUNCE_LOSS = 0.1;

/** The servers as the classes of one process see them. */
export interface Servers {
  readonly store: BucketStore;
  readonly books: Books;
  readonly provider: PaymentProvider;
}

/** What a mutant takes away from the design. All of it is there in the real one. */
export interface Weakened {
  /** Stands between a process and its servers. */
  readonly servers?: (servers: Servers) => Servers;
  readonly booksRules?: Partial<BooksRules>;
  readonly bucketRules?: Partial<BucketRules>;
  /** Nobody conducts after the start. */
  readonly hasNoConductor?: boolean;
}

export interface Failure {
  readonly check: string;
  readonly detail: string;
  readonly atMs: number;
}

/** See the head of this file. */
export class World {
  readonly schedule: Schedule;
  readonly config: SimConfig;
  readonly weakened: Weakened;
  readonly timeline = new Timeline();
  readonly sleepers = new Sleepers(this.timeline);
  /** Never killed, never paused. */
  readonly outside: SimProcess = createProcess("outside");
  readonly redis: RedisSide;
  readonly books: BooksModel;
  readonly provider: SimProvider;
  readonly lock = new LeaderLock();
  readonly book = new Ledgerbook();
  readonly checks: Checks;
  readonly random: SeededRandom;
  readonly trace: TraceLine[] | null;
  readonly nodes = new Map<string, ApiNode>();
  readonly workers = new Map<string, SimWorker>();
  failure: Failure | null = null;
  /** The last moment at which any fault was at work. */
  faultsUntilMs = 0;
  healedAtMs = Number.POSITIVE_INFINITY;
  hadLateMoney = false;
  readonly #lives = new Map<string, number>();
  readonly #downUntilMs = { postgres: 0, provider: 0 };
  readonly #subscribers = new Map<SimProcess, ((hint: CommitHint) => void)[]>();
  readonly #followers = new Map<SimProcess, () => void>();
  readonly #traps: { readonly trap: Trap; readonly forMs: number }[] = [];
  #stormUntilMs = 0;

  constructor(schedule: Schedule, options: { readonly weakened: Weakened; readonly isTraced: boolean }) {
    this.schedule = schedule;
    this.config = schedule.config;
    this.weakened = options.weakened;
    this.trace = options.isTraced ? [] : null;
    this.random = createSeededRandom(schedule.seed, 1);
    const nowMs = () => START_MS + Math.floor(this.timeline.nowMs);
    this.redis = new RedisSide(this.timeline, options.weakened.bucketRules ?? {});
    this.books = new BooksModel({ nowMs, rules: options.weakened.booksRules ?? {} });
    this.provider = new SimProvider(nowMs);
    this.checks = new Checks(this);
    this.books.tables.onAnnounce = (topic) => this.#announce(topic);
    this.books.addSale(saleOf(this.config), [this.config.stock]);
  }

  /** Starts every process and plans every event. */
  begin(): void {
    const { nodes, workers } = processNames(this.config);
    for (const name of [...nodes, ...workers]) this.startProcess(name);
    for (const [index, event] of this.schedule.events.entries()) {
      if ("lagMs" in event && event.lagMs > 0) {
        this.timeline.after(this.outside, event.atMs - event.lagMs, () => this.redis.takeSnapshot(index));
      }
      this.timeline.after(this.outside, event.atMs, () => this.#happen(event, index));
    }
  }

  get hasHealed(): boolean {
    return this.timeline.nowMs >= this.healedAtMs;
  }

  get sale(): Sale {
    return this.books.tables.saleRow(SALE_ID).sale;
  }

  startProcess(name: string): void {
    const life = (this.#lives.get(name) ?? 0) + 1;
    this.#lives.set(name, life);
    const process = createProcess(name);
    const random = createSeededRandom(this.schedule.seed, hashOf(name) + life);
    this.note(name, "starts");
    if (name.startsWith("node")) this.nodes.set(name, new ApiNode(this, process, random));
    else this.workers.set(name, new SimWorker(this, process, random));
  }

  processOf(name: string): SimProcess | undefined {
    return (this.nodes.get(name) ?? this.workers.get(name))?.process;
  }

  fail(check: string, detail: string): void {
    this.note("check", `${check}: ${detail}`);
    this.failure ??= { check, detail, atMs: this.timeline.nowMs };
  }

  note(who: string, what: string): void {
    this.trace?.push({ atMs: this.timeline.nowMs, who, what });
  }

  logOf(process: SimProcess): Log {
    return createLog(this.trace, () => this.timeline.nowMs, process.id);
  }

  weatherOf(server: "redis" | "postgres" | "provider"): Weather {
    if (this.timeline.nowMs < this.#stormUntilMs) return STORM;
    return this.hasHealed ? FAIR : this.config[server];
  }

  isDown(server: "redis" | "postgres" | "provider", process: SimProcess): boolean {
    const nowMs = this.timeline.nowMs;
    if (process.cutUntilMs[server] > nowMs) return true;
    return (server === "redis" ? this.redis.downUntilMs : this.#downUntilMs[server]) > nowMs;
  }

  /** Some stream has an entry that no worker was given. */
  hasNewEntries(): boolean {
    for (const server of this.redis.servers) {
      for (const stream of server.data.streams.values()) if (stream.lastSeq > stream.deliveredSeq) return true;
    }
    return false;
  }

  /** How long this process has not reached Redis, as its pings would tell it. */
  redisReachedAgoMs(process: SimProcess): number {
    if (!this.isDown("redis", process)) return 0;
    return this.timeline.nowMs - Math.max(this.redis.downSinceMs, process.cutSinceMs);
  }

  onDecided(decided: {
    readonly server: "redis" | "postgres" | "provider";
    readonly method: string;
    readonly request: unknown;
    readonly process: SimProcess;
  }): void {
    const { server, method, request, process } = decided;
    if (this.trace !== null && !QUIET.has(method)) this.note(process.id, method);
    if (method === "reserve" && server === "redis" && this.hasNewEntries()) this.sleepers.wake();
    if (server === "redis" && method === "acknowledge") this.checks.acknowledged(request as Acknowledgement, process);
    if (server === "redis") this.checks.afterStore(method);
    else if (server === "postgres") this.checks.afterBooks(method);
  }

  takeTrap(process: SimProcess, method: string): Trap | null {
    for (const [index, { trap }] of this.#traps.entries()) {
      if (trap.method !== method || !process.id.startsWith(trap.process)) continue;
      if (trap.passes > 0) {
        trap.passes -= 1;
        continue;
      }
      this.#traps.splice(index, 1);
      return trap;
    }
    return null;
  }

  onTrapped(process: SimProcess, trap: Trap): void {
    this.note(process.id, `dies ${trap.when} ${trap.method}`);
    this.#crash(process.id, 300);
  }

  publishCommits(from: SimProcess, hints: readonly CommitHint[]): void {
    if (from.state === "dead") return;
    for (const [process, listeners] of this.#subscribers) {
      if (process.state === "dead" || this.random.fraction() < (this.hasHealed ? 0 : FEED_LOSS)) continue;
      this.timeline.after(process, this.random.fraction() * 3, () => {
        for (const listener of listeners) for (const hint of hints) listener(hint);
      });
    }
  }

  subscribeCommits(process: SimProcess, listener: (hint: CommitHint) => void): () => void {
    const listeners = this.#subscribers.get(process) ?? [];
    this.#subscribers.set(process, [...listeners, listener]);
    return () =>
      this.#subscribers.set(
        process,
        (this.#subscribers.get(process) ?? []).filter((other) => other !== listener),
      );
  }

  onAnnounced(process: SimProcess, listener: () => void): void {
    this.#followers.set(process, listener);
  }

  /** Every fault ends, everybody is there. */
  heal(): void {
    this.note("world", "heals");
    this.healedAtMs = this.timeline.nowMs;
    this.#traps.length = 0;
    this.#stormUntilMs = 0;
    this.redis.downUntilMs = 0;
    this.redis.skewMs = 0;
    this.redis.endFailover();
    this.#downUntilMs.postgres = 0;
    this.#downUntilMs.provider = 0;
    const { nodes, workers } = processNames(this.config);
    for (const name of [...nodes, ...workers]) {
      const process = this.processOf(name);
      if (process === undefined || process.state === "dead") this.startProcess(name);
      else {
        process.skewMs = 0;
        process.cutUntilMs.redis = 0;
        process.cutUntilMs.postgres = 0;
        this.timeline.resume(process);
      }
    }
    if (this.sale.phase === "paused") this.books.patchSale(SALE_ID, { phase: "scheduled" });
    this.faultsUntilMs = Math.max(this.faultsUntilMs, this.timeline.nowMs);
  }

  #announce(topic: string): void {
    if (topic !== "catalogue") return;
    for (const [process, listener] of this.#followers) {
      if (process.state === "dead" || this.random.fraction() < (this.hasHealed ? 0 : ANNOUNCE_LOSS)) continue;
      this.timeline.after(process, 1 + this.random.fraction() * 15, listener);
    }
  }

  #happen(event: SimEvent, index: number): void {
    if (this.failure !== null) return;
    this.note("event", JSON.stringify(event));
    if (event.kind === "arrive") {
      startBuyer(this, event);
      return;
    }
    this.#occupy("forMs" in event ? event.forMs : 0);
    this.#strike(event, index);
  }

  #strike(event: Exclude<SimEvent, { kind: "arrive" }>, index: number): void {
    const nowMs = this.timeline.nowMs;
    switch (event.kind) {
      case "redis_crash":
        return this.redis.crash(index, event.forMs);
      case "failover": {
        const { nodes, workers } = processNames(this.config);
        const stayers = [...nodes, ...workers].filter((_, bit) => (event.stayers & (1 << bit)) !== 0);
        this.redis.failOver(index, stayers);
        return this.#later(event.forMs, () => this.redis.endFailover());
      }
      case "redis_outage":
        return this.redis.outage(event.forMs);
      case "postgres_outage":
        this.#downUntilMs.postgres = Math.max(this.#downUntilMs.postgres, nowMs + event.forMs);
        return;
      case "provider_outage":
        this.#downUntilMs.provider = Math.max(this.#downUntilMs.provider, nowMs + event.forMs);
        return;
      case "cut":
        this.#cut(event);
        return;
      case "crash":
        return this.#crash(event.process, event.forMs);
      case "pause":
        return this.#pause(event.process, event.forMs);
      case "trap":
        this.#traps.push({ trap: { ...event.trap }, forMs: event.forMs });
        return;
      case "skew":
        return this.#skew(event);
      case "storm":
        this.#stormUntilMs = nowMs + event.forMs;
        return;
      case "delete_entries":
        return this.#deleteEntries(event.entries);
      case "late_money":
        return this.#lateMoney();
      case "adjust":
        return this.books.adjustStock(ITEM_ID, event.units);
      case "pause_sale":
        this.books.patchSale(SALE_ID, { phase: "paused" });
        return this.#later(event.forMs, () => {
          if (this.sale.phase === "paused") this.books.patchSale(SALE_ID, { phase: "scheduled" });
        });
    }
  }

  /** Faults are at work for so long, and a while after for what they held up. */
  #occupy(forMs: number): void {
    this.faultsUntilMs = Math.max(this.faultsUntilMs, this.timeline.nowMs + forMs);
  }

  #later(delayMs: number, action: () => void): void {
    this.timeline.after(this.outside, delayMs, action);
  }

  #crash(name: string, forMs: number): void {
    const process = this.processOf(name);
    if (process === undefined || process.state === "dead") return;
    this.note(name, "is killed");
    this.timeline.kill(process);
    this.#subscribers.delete(process);
    this.#followers.delete(process);
    this.#occupy(forMs);
    this.#later(forMs, () => {
      if (this.processOf(name)?.state === "dead") this.startProcess(name);
    });
  }

  #pause(name: string, forMs: number): void {
    const process = this.processOf(name);
    if (process === undefined) return;
    this.timeline.pause(process);
    this.#later(forMs, () => this.timeline.resume(process));
  }

  #cut(event: Extract<SimEvent, { kind: "cut" }>): void {
    const process = this.processOf(event.process);
    if (process === undefined) return;
    process.cutUntilMs[event.from] = this.timeline.nowMs + event.forMs;
    process.cutSinceMs = this.timeline.nowMs;
  }

  #skew(event: Extract<SimEvent, { kind: "skew" }>): void {
    const target = event.who === "redis" ? this.redis : this.processOf(event.who);
    if (target === undefined) return;
    target.skewMs = event.byMs;
    this.#later(event.forMs, () => {
      target.skewMs = 0;
    });
  }

  #deleteEntries(entries: number): void {
    for (const stream of this.redis.primary.data.streams.values()) {
      for (let count = 0; count < entries && stream.entries.length > 0; count += 1) {
        stream.entries.splice(this.random.below(stream.entries.length), 1);
      }
    }
    this.redis.hasLostEntries = true;
  }

  #lateMoney(): void {
    const paymentId = this.provider.succeedAfterCancel();
    if (paymentId === null) return;
    this.hadLateMoney = true;
    this.notify(paymentId);
  }

  /** The provider tells about a payment: once or more, soon or late, to anybody. */
  notify(paymentId: string): void {
    const copies = 1 + this.random.below(3);
    for (let copy = 0; copy < copies; copy += 1) {
      const delayMs = this.random.fraction() < 0.7 ? this.random.below(300) : this.random.below(4_000);
      this.timeline.after(this.outside, delayMs, () => this.#deliver(`${paymentId}-note ${paymentId}`, 8));
    }
  }

  /** Providers repeat what was not taken. */
  #deliver(body: string, tries: number): void {
    const workers = [...this.workers.values()].filter(({ process }) => process.state !== "dead");
    const worker = workers[this.random.below(Math.max(1, workers.length))];
    const again = () => {
      if (tries > 1) this.#later(1_000, () => this.#deliver(body, tries - 1));
    };
    if (worker === undefined) again();
    else worker.notified(body).then(() => undefined, again);
  }
}

const FAIR: Weather = { slow: 0.2, delayMsMax: 4, late: 0, lateMsMax: 0, lostCall: 0, lostAnswer: 0, twice: 0 };

/** Calls that say nothing in a trace. */
const QUIET = new Set([
  "readNew",
  "claimStale",
  "readSales",
  "health",
  "reportNode",
  "listNodeReports",
  "readLedgerStates",
  "audit",
  "readBooks",
  "listUnsettledGrants",
  "listNotes",
  "takeRefundsDue",
  "beginExpiry",
  "hintEvents",
  "missingSeqs",
  "sumOrders",
]);

function saleOf(config: SimConfig): Sale {
  const item = modelItem(ITEM_ID, config.perBuyerMax);
  const { buckets, holdMs, perBuyerMax } = config;
  return modelSale({ id: SALE_ID, buckets, holdMs, perBuyerMax, items: [item], opensAt: START_MS });
}

function hashOf(text: string): number {
  let hash = 7;
  for (let index = 0; index < text.length; index += 1) hash = (hash * 31 + text.charCodeAt(index)) | 0;
  return hash * 64;
}
