/**
 * The catalogue: this process's own copy of every sale that matters, so that no attempt asks the store about one.
 *
 * Refreshed when the change feed hints and about once a second in any case, never twice at the same time; polls are
 * jittered, so that nodes which started together do not ask together. When the store does not answer, the last copy stays
 * in force: the ledger checks epoch, window and limits again in its own transaction, so an old copy can refuse late but
 * never sell wrongly. Allowlists are read beside it (allowlist-shelf.ts), because a long one takes seconds.
 */
import { Fault } from "../../domain/faults.ts";
import type { Item, Sale } from "../../domain/sale.ts";
import type { AllowlistStore } from "../../ports/allowlist-store.ts";
import type { ChangeFeed } from "../../ports/change-feed.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Ban, SaleStore } from "../../ports/sale-store.ts";
import type { Log } from "../../ports/telemetry.ts";
import { type BanSubject, BanTable } from "../4-throttle/ban-table.ts";
import { AllowlistShelf } from "./allowlist-shelf.ts";
import type { Allowlist } from "./allowlist-table.ts";
import { isOverAt } from "./window.ts";

/** A poll finds what a lost hint did not tell. */
export const POLL_INTERVAL_MS = 1_000;
/** How far a poll may be off its interval, either way. */
export const POLL_JITTER_FRACTION = 0.2;
/** Newest sales that a node keeps; older ones are history and live in the store. */
export const SALES_MAX = 1_000;
/** A refresh that takes longer is given up; the next one starts anew. */
const REFRESH_DEADLINE_MS = 5_000;
/** A refresh waits this long for allowlists; those that take longer are read on beside it. */
const ALLOWLISTS_WAIT_MS = 500;

/** A sale with what stage 6 asks about it. */
export interface CatalogueSale {
  readonly sale: Sale;
  readonly places: ReadonlyMap<string, Place>;
  /** Null where the sale needs none: it has neither the rule nor tiers. */
  readonly allowlist: Allowlist | null;
  readonly blocklist: ReadonlySet<string>;
}

/** An item in its sale: what an attempt's path names. */
export interface Place {
  readonly entry: CatalogueSale;
  readonly item: Item;
}

interface KnownSales {
  /** The store's word for them; null before the first. */
  readonly version: string | null;
  readonly entries: ReadonlyMap<string, CatalogueSale>;
}

interface KnownBans {
  readonly revision: number;
  readonly list: readonly Ban[];
  readonly table: BanTable;
}

export interface CatalogueParts {
  readonly saleStore: Pick<SaleStore, "listSales" | "salesVersion" | "listBans" | "banRevision">;
  readonly allowlists: Pick<AllowlistStore, "findPublished" | "readPart">;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** See the head of this file. Start it before the node reports ready. */
export class Catalogue {
  readonly #parts: CatalogueParts;
  readonly #shelf: AllowlistShelf;
  readonly #listeners = new Set<() => void>();
  #copy: KnownSales = { version: null, entries: new Map() };
  #bans: KnownBans = { revision: -1, list: [], table: new BanTable([]) };
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #unsubscribe: (() => void) | null = null;
  #isStopped = true;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
    this.#shelf = new AllowlistShelf({ store: parts.allowlists, random: parts.random, log: parts.log });
  }

  /**
   * Resolves when the first copy is there; throws when the store cannot give it. Then keeps it fresh until stopped.
   * Whoever needs the catalogue may start it; only the first start counts.
   */
  async start(): Promise<void> {
    if (!this.#isStopped) {
      await this.refresh();
      return this.#followAllowlists();
    }
    this.#isStopped = false;
    this.#unsubscribe ??= this.#parts.feed.subscribe((hint) => {
      if (hint.topic === "catalogue") void this.#refreshQuietly();
    });
    try {
      await this.refresh();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#schedulePoll();
    await this.#followAllowlists();
  }

  /** Resolves when no refresh runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    await this.#running?.catch((error: unknown) => this.#warn(error));
  }

  /** The sale with its lists, or null. Any text may be asked for. */
  find(saleId: string): CatalogueSale | null {
    return this.#copy.entries.get(saleId) ?? null;
  }

  /** The sale, or null when there is no such sale. Any text may be asked for. */
  findSale(saleId: string): Sale | null {
    return this.#copy.entries.get(saleId)?.sale ?? null;
  }

  /** All sales of the copy, newest first. */
  listSales(): readonly Sale[] {
    return Array.from(this.#copy.entries.values(), (entry) => entry.sale);
  }

  entries(): Iterable<CatalogueSale> {
    return this.#copy.entries.values();
  }

  /** Whether a ban is in force. */
  isBanned(subject: BanSubject, nowMs: number): boolean {
    return this.#bans.table.isBanned(subject, nowMs);
  }

  /** How long until whoever left holds unpaid may attempt again; 0 = now. */
  coolDownMs(subject: BanSubject, nowMs: number): number {
    return this.#bans.table.coolDownMs(subject, nowMs);
  }

  /** Whether an operator said that the subject is not to be suspected. */
  isExempt(subject: BanSubject, nowMs: number): boolean {
    return this.#bans.table.isExempt(subject, nowMs);
  }

  /** The bans in force at the last change of any, newest first. */
  listBans(): readonly Ban[] {
    return this.#bans.list;
  }

  /** Age of the copy: what a readiness check and an alert look at. */
  ageMs(): number {
    return this.#parts.clock.monotonicMs() - this.#refreshedAtMs;
  }

  /** Calls back after each refresh until the returned function is called. */
  onRefresh(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads everything that was committed before the call. Calls share work: at most one refresh runs and one waits.
   * Throws what the store throws.
   */
  refresh(): Promise<void> {
    if (this.#next !== null) return this.#next;
    if (this.#running !== null) {
      const before = this.#running;
      this.#next = before.then(
        () => this.#run(),
        () => this.#run(),
      );
      return this.#next;
    }
    return this.#run();
  }

  #run(): Promise<void> {
    this.#next = null;
    const run = this.#withDeadline(this.#read()).finally(() => {
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }

  async #read(): Promise<void> {
    const { clock } = this.#parts;
    const startedAtMs = clock.monotonicMs();
    const [copy, bans] = await Promise.all([this.#readSales(), this.#readBans()]);
    if (startedAtMs < this.#refreshedAtMs) return;
    this.#copy = copy;
    this.#bans = bans;
    this.#refreshedAtMs = startedAtMs;
    // A list that is still being read for an earlier refresh keeps none waiting.
    const mayWait = !this.#shelf.isReading;
    const followed = this.#followAllowlists();
    if (mayWait) await this.#waitShortly(followed);
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when every list is that of its sale, as far as the store gives them. Sales that are over need none. */
  async #followAllowlists(): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    const sales: Sale[] = [];
    for (const { sale, allowlist } of this.#copy.entries.values()) {
      if (allowlist !== null && !isOverAt(sale, nowMs)) sales.push(sale);
    }
    this.#shelf.keepOnly(new Set(sales.map((sale) => sale.id)));
    await Promise.all(sales.map((sale) => this.#shelf.follow(sale)));
  }

  #waitShortly(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.setTimer(ALLOWLISTS_WAIT_MS, resolve);
      work.then(resolve, reject).finally(cancel);
    });
  }

  #entryOf(sale: Sale): CatalogueSale {
    const known = this.#copy.entries.get(sale.id);
    if (known !== undefined && known.sale.revision >= sale.revision && known.sale.epoch >= sale.epoch) return known;
    const needsAllowlist = sale.eligibility.allowlist === true || (sale.eligibility.tiers ?? []).length > 0;
    const allowlist = needsAllowlist ? this.#shelf.listOf(sale.id) : null;
    const places = new Map<string, Place>();
    const entry = { sale, places, allowlist, blocklist: new Set(sale.eligibility.blocklist) };
    for (const item of sale.items) places.set(item.sku, { entry, item });
    return entry;
  }

  /** Each second, and hundreds of sales hardly ever change: they are read only when one did. */
  async #readSales(): Promise<KnownSales> {
    const { saleStore } = this.#parts;
    const version = await saleStore.salesVersion();
    if (version === this.#copy.version) return this.#copy;
    const sales = await saleStore.listSales({ rowsMax: SALES_MAX });
    return { version, entries: new Map(sales.map((sale) => [sale.id, this.#entryOf(sale)])) };
  }

  /** After a rush of cool-downs there are thousands, so they are read only when one changed. */
  async #readBans(): Promise<KnownBans> {
    const { saleStore } = this.#parts;
    const revision = await saleStore.banRevision();
    if (revision === this.#bans.revision) return this.#bans;
    const list = await saleStore.listBans();
    return { revision, list, table: new BanTable(list) };
  }

  #withDeadline(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#parts.clock.setTimer(REFRESH_DEADLINE_MS, () =>
        reject(new Fault("DATABASE_UNAVAILABLE", { internal: "the catalogue was not read in time" })),
      );
      work.then(resolve, reject).finally(cancel);
    });
  }

  async #refreshQuietly(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      this.#warn(error);
    }
  }

  #schedulePoll(): void {
    if (this.#isStopped) return;
    const jitter = 1 + POLL_JITTER_FRACTION * (2 * this.#parts.random.fraction() - 1);
    this.#cancelTimer = this.#parts.clock.setTimer(POLL_INTERVAL_MS * jitter, () => {
      void this.#refreshQuietly().then(() => this.#schedulePoll());
    });
  }

  #warn(error: unknown): void {
    this.#parts.log.warn({ error, ageMs: this.ageMs() }, "the catalogue could not be refreshed; the last copy stays");
  }
}
