/**
 * What goes wrong, and when it ends: every fault of a schedule, from a lost server to a trap at one call.
 *
 * The one thing to know: a fault only changes what links, servers and processes are like; nobody is told. All of them have
 * an end, and `heal` is the end of all.
 */
import type { Trap, Weather } from "./link.ts";
import type { TablesData } from "./model/books-tables.ts";
import { type FaultsFace, ITEM_ID, SALE_ID, type Scene, type Server } from "./scene.ts";
import { CALM, processNames, type SimEvent, STORM } from "./schedule.ts";
import type { SimProcess } from "./timeline.ts";

type Fault = Exclude<SimEvent, { kind: "arrive" }>;
type FaultOf<Kind extends Fault["kind"]> = Extract<Fault, { kind: Kind }>;

const RESTORE_MS = 150;
/** After the last fault. */
const FAIR: Weather = { ...CALM, slow: 0.2, delayMsMax: 4 };

/** See the head of this file. */
export class Faults implements FaultsFace {
  readonly #world: Scene;
  readonly #traps: Trap[] = [];
  readonly #downUntilMs = { postgres: 0, provider: 0 };
  #stormUntilMs = 0;
  /** The last moment at which any of them was at work. */
  untilMs = 0;
  /** Money came that had been cancelled. */
  hadLateMoney = false;
  /** Postgres forgot what it had promised: the assumption on which most promises rest. */
  hasRestored = false;
  /** And nobody has recovered the sale since. */
  isUnrecovered = false;
  readonly #backups = new Map<number, TablesData>();

  constructor(world: Scene) {
    this.#world = world;
  }

  weatherOf(server: Server): Weather {
    if (this.#world.timeline.nowMs < this.#stormUntilMs) return STORM;
    return this.#world.hasHealed ? FAIR : this.#world.config[server];
  }

  isDown(server: Server, process: SimProcess): boolean {
    const { nowMs } = this.#world.timeline;
    if (process.cutUntilMs[server] > nowMs) return true;
    return (server === "redis" ? this.#world.redis.downUntilMs : this.#downUntilMs[server]) > nowMs;
  }

  /** Every worker has reached Redis and Postgres for so long. */
  areReachedSince(sinceMs: number): boolean {
    const { redis, workers, hasHealed, healedAtMs } = this.#world;
    if (hasHealed && healedAtMs > sinceMs) return false;
    if (redis.wasSplitSince(sinceMs)) return false;
    if (Math.max(redis.downUntilMs, this.#downUntilMs.postgres, this.#stormUntilMs) > sinceMs) return false;
    return [...workers.values()].every(({ process: { cutUntilMs } }) => {
      return cutUntilMs.redis <= sinceMs && cutUntilMs.postgres <= sinceMs;
    });
  }

  /** How long this process has not reached Redis, as its pings would tell it. */
  redisReachedAgoMs(process: SimProcess): number {
    if (!this.isDown("redis", process)) return 0;
    return this.#world.timeline.nowMs - Math.max(this.#world.redis.downSinceMs, process.cutSinceMs);
  }

  takeTrap(process: SimProcess, method: string): Trap | null {
    for (const [index, trap] of this.#traps.entries()) {
      if (trap.method !== method || !process.id.startsWith(trap.process)) continue;
      if (trap.passes === 0) {
        this.#traps.splice(index, 1);
        return trap;
      }
      trap.passes -= 1;
    }
    return null;
  }

  onTrapped(process: SimProcess, trap: Trap): void {
    const { kind, when, method, forMs } = trap;
    this.#world.note(process.id, `${kind === "die" ? "dies" : "sleeps"} ${when} ${method}`);
    this.#occupy(forMs);
    if (kind === "die") this.#crash({ process: process.id, forMs });
    else this.#pause({ process: process.id, forMs });
  }

  /** What both sides know now, for the fault of that index. */
  remember(index: number): void {
    this.#world.redis.takeSnapshot(index);
    this.#backups.set(index, this.#world.books.snapshot());
  }

  /** `index` is the fault's place in the schedule, under which its snapshot was taken. */
  strike(fault: Fault, index: number): void {
    if ("forMs" in fault) this.#occupy(fault.forMs);
    else this.#occupy(0);
    switch (fault.kind) {
      case "redis_crash":
      case "failover":
      case "redis_outage":
      case "delete_entries":
        this.#strikeRedis(fault, index);
        break;
      case "postgres_outage":
        this.#takeDown("postgres", fault.forMs);
        break;
      case "provider_outage":
        this.#takeDown("provider", fault.forMs);
        break;
      case "storm":
        this.#stormUntilMs = this.#world.timeline.nowMs + fault.forMs;
        break;
      case "many_leaders":
        this.#world.lock.isIgnoredUntilMs = this.#world.timeline.nowMs + fault.forMs;
        break;
      case "late_money":
        this.#lateMoney();
        break;
      case "postgres_restore":
        this.#restore(index);
        break;
      case "adjust":
        this.#world.books.adjustStock(ITEM_ID, fault.units);
        break;
      case "take_stock":
        this.#world.nodes.get("node-1")?.takeStock(fault.units);
        break;
      case "pause_sale":
        this.#pauseSale(fault.forMs);
        break;
      default:
        this.#strikeProcess(fault);
    }
  }

  /** Every fault ends, everybody is there. */
  heal(): void {
    const { redis, timeline, config } = this.#world;
    this.#traps.length = 0;
    this.#stormUntilMs = 0;
    this.#downUntilMs.postgres = 0;
    this.#downUntilMs.provider = 0;
    this.#world.lock.isIgnoredUntilMs = 0;
    redis.downUntilMs = 0;
    redis.skewMs = 0;
    redis.endFailover();
    const { nodes, workers } = processNames(config);
    for (const name of [...nodes, ...workers]) {
      const process = this.#world.processOf(name);
      if (process === undefined || process.state === "dead") {
        this.#world.startProcess(name);
        continue;
      }
      process.skewMs = 0;
      process.cutUntilMs.redis = 0;
      process.cutUntilMs.postgres = 0;
      timeline.resume(process);
    }
    this.#resumeSale();
    this.#occupy(0);
  }

  #strikeRedis(fault: FaultOf<"redis_crash" | "failover" | "redis_outage" | "delete_entries">, index: number): void {
    const { redis, config, random } = this.#world;
    if (fault.kind === "redis_crash") {
      redis.crash(index, fault.forMs);
    } else if (fault.kind === "failover") {
      const { nodes, workers } = processNames(config);
      redis.failOver(
        index,
        [...nodes, ...workers].filter((_, bit) => (fault.stayers & (1 << bit)) !== 0),
      );
      this.#later(fault.forMs, () => redis.endFailover());
    } else if (fault.kind === "redis_outage") {
      redis.outage(fault.forMs);
    } else {
      redis.deleteEntries(fault.entries, random.faults);
    }
  }

  #strikeProcess(fault: FaultOf<"cut" | "crash" | "pause" | "trap" | "skew">): void {
    if (fault.kind === "crash") this.#crash(fault);
    else if (fault.kind === "pause") this.#pause(fault);
    else if (fault.kind === "trap") this.#traps.push({ ...fault.trap });
    else if (fault.kind === "skew") this.#skew(fault);
    else this.#cut(fault);
  }

  /** Faults are at work for so long, and a while after for what they held up. */
  #occupy(forMs: number): void {
    this.untilMs = Math.max(this.untilMs, this.#world.timeline.nowMs + forMs);
  }

  #later(delayMs: number, action: () => void): void {
    this.#world.timeline.after(this.#world.outside, delayMs, action);
  }

  #takeDown(server: "postgres" | "provider", forMs: number): void {
    this.#downUntilMs[server] = Math.max(this.#downUntilMs[server], this.#world.timeline.nowMs + forMs);
  }

  #crash({ process: name, forMs }: { readonly process: string; readonly forMs: number }): void {
    const process = this.#world.processOf(name);
    if (process === undefined || process.state === "dead") return;
    this.#world.kill(process);
    this.#occupy(forMs);
    this.#later(forMs, () => {
      if (this.#world.processOf(name)?.state === "dead") this.#world.startProcess(name);
    });
  }

  #pause({ process: name, forMs }: { readonly process: string; readonly forMs: number }): void {
    const process = this.#world.processOf(name);
    if (process === undefined) return;
    this.#world.timeline.pause(process);
    this.#later(forMs, () => this.#world.timeline.resume(process));
  }

  #cut(fault: FaultOf<"cut">): void {
    const process = this.#world.processOf(fault.process);
    if (process === undefined) return;
    process.cutUntilMs[fault.from] = this.#world.timeline.nowMs + fault.forMs;
    process.cutSinceMs = this.#world.timeline.nowMs;
  }

  #skew(fault: FaultOf<"skew">): void {
    const target = fault.who === "redis" ? this.#world.redis : this.#world.processOf(fault.who);
    if (target === undefined) return;
    target.skewMs = fault.byMs;
    this.#later(fault.forMs, () => {
      target.skewMs = 0;
    });
  }

  #restore(index: number): void {
    const backup = this.#backups.get(index);
    if (backup === undefined) return;
    this.#world.books.restore(backup);
    this.#takeDown("postgres", RESTORE_MS);
    this.hasRestored = true;
    this.isUnrecovered = true;
  }

  #lateMoney(): void {
    const orders = [...this.#world.books.tables.data.orders.values()];
    const isOrdered = (paymentId: string) => orders.some((order) => order.paymentId === paymentId);
    const paymentId = this.#world.provider.succeedAfterCancel(isOrdered);
    if (paymentId === null) return;
    this.hadLateMoney = true;
    this.#world.notify(paymentId);
  }

  #pauseSale(forMs: number): void {
    this.#world.books.patchSale(SALE_ID, { phase: "paused" });
    this.#later(forMs, () => this.#resumeSale());
  }

  #resumeSale(): void {
    if (this.#world.sale.phase === "paused") this.#world.books.patchSale(SALE_ID, { phase: "scheduled" });
  }
}
