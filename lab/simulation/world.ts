/**
 * The world of one schedule: the servers, the processes, the buyers, and what happens to them.
 *
 * The one thing to know: it only brings things about. What the processes do is production code over ports.ts, what may
 * never be seen is in checks.ts, and what has to be true in the end is in endings.ts. Whoever finds something wrong calls
 * `fail`, and the first finding is the schedule's.
 */
import type { Sale } from "../../src/domain/sale.ts";
import type { CommitHint } from "../../src/ports/commit-feed.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { createSeededRandom } from "../swarm/seeded-random.ts";
import { Ledgerbook } from "./acknowledgements.ts";
import { ApiNode } from "./api-node.ts";
import { startBuyer } from "./buyer.ts";
import { type Acknowledgement, Checks } from "./checks.ts";
import { Faults } from "./faults.ts";
import { BooksModel } from "./model/books-model.ts";
import { modelItem, modelSale } from "./model/model-sale.ts";
import { Sleepers } from "./poll-clock.ts";
import { RedisSide } from "./redis-side.ts";
import { type Decided, type Failure, ITEM_ID, SALE_ID, type Scene, type Weakened } from "./scene.ts";
import { processNames, type Schedule, type SimConfig, type SimEvent } from "./schedule.ts";
import { LeaderLock } from "./sim-leadership.ts";
import { SimProvider } from "./sim-provider.ts";
import { createProcess, type SimProcess, START_MS, Timeline } from "./timeline.ts";
import { createLog, QUIET, type TraceLine } from "./trace.ts";
import { SimWorker } from "./worker.ts";

const FEED_LOSS = 0.05;
const ANNOUNCE_LOSS = 0.1;
/** A provider takes silence for no after this. */
const NOTIFIED_MS_MAX = 2_000;

/** See the head of this file. */
export class World implements Scene {
  readonly schedule: Schedule;
  readonly config: SimConfig;
  readonly weakened: Weakened;
  readonly timeline = new Timeline();
  readonly sleepers = new Sleepers(this.timeline);
  readonly outside: SimProcess = createProcess("outside");
  readonly redis: RedisSide;
  readonly books: BooksModel;
  readonly provider: SimProvider;
  readonly lock = new LeaderLock();
  readonly book = new Ledgerbook();
  readonly checks: Checks;
  readonly faults: Faults;
  readonly random: Scene["random"];
  readonly trace: TraceLine[] | null;
  readonly nodes = new Map<string, ApiNode>();
  readonly workers = new Map<string, SimWorker>();
  failure: Failure | null = null;
  healedAtMs = Number.POSITIVE_INFINITY;
  readonly #lives = new Map<string, number>();
  readonly #subscribers = new Map<SimProcess, ((hint: CommitHint) => void)[]>();
  readonly #followers = new Map<SimProcess, () => void>();

  constructor(schedule: Schedule, options: { readonly weakened: Weakened; readonly isTraced: boolean }) {
    this.schedule = schedule;
    this.config = schedule.config;
    this.weakened = options.weakened;
    this.trace = options.isTraced ? [] : null;
    const stream = (number: number) => createSeededRandom(schedule.seed, number);
    this.random = { feed: stream(1), news: stream(2), money: stream(3), wire: stream(4), faults: stream(5) };
    const nowMs = () => START_MS + Math.floor(this.timeline.nowMs);
    this.redis = new RedisSide(this.timeline, options.weakened.bucketRules ?? {});
    this.books = new BooksModel({ nowMs, rules: options.weakened.booksRules ?? {} });
    this.provider = new SimProvider(nowMs);
    this.checks = new Checks(this);
    this.faults = new Faults(this);
    this.books.tables.onAnnounce = (topic) => this.#announce(topic);
    this.books.addSale(saleOf(this.config), [this.config.stock]);
  }

  /** Starts every process and plans every event. */
  begin(): void {
    const { nodes, workers } = processNames(this.config);
    for (const name of [...nodes, ...workers]) this.startProcess(name);
    for (const [index, event] of this.schedule.events.entries()) {
      if ("lagMs" in event && event.lagMs > 0) {
        this.timeline.after(this.outside, event.atMs - event.lagMs, () => this.faults.remember(index));
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

  hasNewEntries(): boolean {
    for (const server of this.redis.servers) {
      for (const stream of server.data.streams.values()) if (stream.lastSeq > stream.deliveredSeq) return true;
    }
    return false;
  }

  onDecided(decided: Decided): void {
    const { server, method, request, process } = decided;
    if (this.trace !== null && !QUIET.has(method)) this.note(process.id, method);
    if (method === "reserve" && server === "redis" && this.hasNewEntries()) this.sleepers.wake();
    if (server === "redis" && method === "acknowledge") this.checks.acknowledged(request as Acknowledgement, process);
    if (server === "redis") this.checks.afterStore(method);
    else if (server === "postgres") this.checks.afterBooks(method);
  }

  publishCommits(from: SimProcess, hints: readonly CommitHint[]): void {
    if (from.state === "dead") return;
    for (const [process, listeners] of this.#subscribers) {
      if (process.state === "dead" || this.random.feed.fraction() < (this.hasHealed ? 0 : FEED_LOSS)) continue;
      this.timeline.after(process, this.random.feed.fraction() * 3, () => {
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

  kill(process: SimProcess): void {
    this.note(process.id, "is killed");
    this.timeline.kill(process);
    this.#subscribers.delete(process);
    this.#followers.delete(process);
  }

  heal(): void {
    this.note("world", "heals");
    this.healedAtMs = this.timeline.nowMs;
    this.faults.heal();
  }

  #announce(topic: string): void {
    if (topic !== "catalogue") return;
    for (const [process, listener] of this.#followers) {
      if (process.state === "dead" || this.random.news.fraction() < (this.hasHealed ? 0 : ANNOUNCE_LOSS)) continue;
      this.timeline.after(process, 1 + this.random.news.fraction() * 15, listener);
    }
  }

  #happen(event: SimEvent, index: number): void {
    if (this.failure !== null) return;
    this.note("event", JSON.stringify(event));
    if (event.kind === "arrive") {
      startBuyer(this, event);
      return;
    }
    this.faults.strike(event, index);
  }

  notify(paymentId: string): void {
    const random = this.random.money;
    const copies = 1 + random.below(3);
    for (let copy = 0; copy < copies; copy += 1) {
      const delayMs = random.fraction() < 0.7 ? random.below(300) : random.below(2_000);
      this.timeline.after(this.outside, delayMs, () => this.#deliver(`${paymentId}-note ${paymentId}`, 8));
    }
  }

  /** Providers repeat what was not taken, and what nobody answered. */
  #deliver(body: string, tries: number): void {
    const workers = [...this.workers.values()].filter(({ process }) => process.state !== "dead");
    const worker = workers[this.random.money.below(Math.max(1, workers.length))];
    const again = () => {
      if (tries > 1) this.timeline.after(this.outside, 500, () => this.#deliver(body, tries - 1));
    };
    if (worker === undefined) {
      again();
      return;
    }
    const cancel = this.timeline.after(this.outside, NOTIFIED_MS_MAX, again);
    const answered = (isTaken: boolean) => {
      cancel();
      if (!isTaken) again();
    };
    worker.notified(body).then(
      () => answered(true),
      () => answered(false),
    );
  }
}

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
