/**
 * Stock figures for the public sale document: at most one query per sale and second, however many buyers look.
 *
 * Fresh figures are served at once; older ones are served too while one refresh runs behind them, so a crowd that
 * arrives on a cold second costs one query and not ten thousand. Whoever comes alone every few seconds would always be told
 * of his visit before, so after a while without visitors the figures are waited for, shortly. Sales that were read together are not read together
 * again: each has its own, jittered, second. Too old to be honest about: the caller waits for the refresh, within a
 * deadline. A failure is remembered for a moment, so a database that is down is not asked by everybody. With an edge the
 * nodes take turns (shared-stock.ts). Deciding about stock is the ledger's; this only ever feeds bands and words on a page.
 */
import { Fault } from "../../domain/faults.ts";
import type { Sale } from "../../domain/sale.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger, Stock } from "../../ports/ledger.ts";
import type { Random } from "../../ports/random.ts";
import type { AgedStock, SharedStock } from "./shared-stock.ts";

/** Figures younger than a time between these, drawn anew each time, are served without a thought. */
export const FRESH_MS = { min: 1_000, max: 1_200 };
/** Nobody asked for this long, so no crowd is here: whoever asks now waits for what is, but not for longer than that. */
export const LONE_MS_MIN = 2_000;
export const LONE_WAIT_MS_MAX = 200;
/** Figures older than this are never served. */
export const STALE_MS_MAX = 5_000;
/** How long a caller waits for a refresh. */
export const REFRESH_WAIT_MS_MAX = 2_000;
/** No new refresh this soon after one failed. */
export const FAILURE_PAUSE_MS = 250;
/** Nor this soon after another node's figures turned out to be old: it is about to have newer ones. */
const OTHERS_PAUSE_MS = 50;
/** Sales remembered; the one that was refreshed longest ago goes first. */
export const SALES_MAX = 256;

/** Stock by item. */
export type SaleStock = ReadonlyMap<number, Stock>;

interface Entry {
  stock: SaleStock | null;
  readAtMs: number;
  freshMs: number;
  pausedUntilMs: number;
  refresh: Promise<SaleStock> | null;
}

export class StockBoard {
  readonly #ledger: Pick<Ledger, "readStock">;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #shared: Pick<SharedStock, "read"> | null;
  readonly #entries = new Map<string, Entry>();

  /** `shared` null: this node asks the ledger itself. */
  constructor(parts: {
    ledger: Pick<Ledger, "readStock">;
    clock: Clock;
    random: Random;
    shared: Pick<SharedStock, "read"> | null;
  }) {
    this.#ledger = parts.ledger;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#shared = parts.shared;
  }

  /** The stock of the sale's items, at most {@link STALE_MS_MAX} old. Throws LEDGER_UNAVAILABLE. */
  async stockOf(sale: Sale): Promise<SaleStock> {
    const entry = this.#entry(sale.id);
    const nowMs = this.#clock.monotonicMs();
    // An item that was added since must not be shown as sold out.
    const known =
      entry.stock !== null && sale.items.every((item) => entry.stock?.has(item.itemId)) ? entry.stock : null;
    const ageMs = known === null ? Number.POSITIVE_INFINITY : nowMs - entry.readAtMs;
    if (known !== null && ageMs < entry.freshMs) return known;

    const mayRefresh = entry.refresh !== null || nowMs >= entry.pausedUntilMs;
    const refresh = mayRefresh ? this.#refresh(sale, entry) : null;
    if (known !== null && ageMs < STALE_MS_MAX) {
      return refresh === null || ageMs < LONE_MS_MIN ? known : await this.#shortlyOr(known, refresh);
    }
    if (refresh === null) throw new Fault("LEDGER_UNAVAILABLE", { internal: "stock could not be read a moment ago" });
    return await this.#withDeadline(refresh);
  }

  #entry(saleId: string): Entry {
    const known = this.#entries.get(saleId);
    if (known !== undefined) return known;
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= SALES_MAX && oldest !== undefined) this.#entries.delete(oldest);
    const entry: Entry = { stock: null, readAtMs: 0, freshMs: FRESH_MS.min, pausedUntilMs: 0, refresh: null };
    this.#entries.set(saleId, entry);
    return entry;
  }

  #refresh(sale: Sale, entry: Entry): Promise<SaleStock> {
    if (entry.refresh !== null) return entry.refresh;
    const refresh = this.#read(sale).then(
      ({ rows, ageMs }) => {
        const nowMs = this.#clock.monotonicMs();
        entry.stock = new Map(rows.map((row) => [row.itemId, row]));
        entry.readAtMs = nowMs - ageMs;
        entry.freshMs = FRESH_MS.min + (FRESH_MS.max - FRESH_MS.min) * this.#random.fraction();
        if (this.#shared !== null && ageMs >= entry.freshMs) entry.pausedUntilMs = nowMs + OTHERS_PAUSE_MS;
        entry.refresh = null;
        return entry.stock;
      },
      (error: unknown) => {
        entry.pausedUntilMs = this.#clock.monotonicMs() + FAILURE_PAUSE_MS;
        entry.refresh = null;
        throw error;
      },
    );
    entry.refresh = refresh;
    // Nobody may be waiting for it; its failure is remembered in the entry.
    refresh.catch(() => undefined);
    return refresh;
  }

  async #read(sale: Sale): Promise<AgedStock> {
    if (this.#shared !== null) return await this.#shared.read(sale);
    const startedAtMs = this.#clock.monotonicMs();
    const rows = await this.#ledger.readStock(sale.items.map((item) => item.itemId));
    // The figures are as old as the question, not as the answer.
    return { rows, ageMs: this.#clock.monotonicMs() - startedAtMs };
  }

  #shortlyOr(known: SaleStock, refresh: Promise<SaleStock>): Promise<SaleStock> {
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.setTimer(LONE_WAIT_MS_MAX, () => resolve(known));
      refresh.then(resolve, () => resolve(known)).finally(cancelTimer);
    });
  }

  #withDeadline(refresh: Promise<SaleStock>): Promise<SaleStock> {
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#clock.setTimer(REFRESH_WAIT_MS_MAX, () =>
        reject(new Fault("LEDGER_UNAVAILABLE", { internal: `stock was not read within ${REFRESH_WAIT_MS_MAX} ms` })),
      );
      refresh.then(resolve, reject).finally(cancelTimer);
    });
  }
}
