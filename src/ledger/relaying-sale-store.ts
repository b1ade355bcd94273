/**
 * Operators' changes, carried on to the buckets that the change concerns: implements SaleStore around another one.
 *
 * Postgres is changed first and is the truth; buckets are told at once, so that "pause" is heard in milliseconds, and
 * again by the conductor's next pass in case this call dies in between. Taking stock away first brings lent units home,
 * because only what is free can be taken. Without a redis-mode sale this adds nothing.
 */
import { isFault } from "../domain/faults.ts";
import type { SaleId } from "../domain/ids.ts";
import type { Sale } from "../domain/sale.ts";
import type { Stock } from "../ports/ledger.ts";
import type { Ban, NewBan, NewSale, SaleCommand, SalePatch, SaleStore } from "../ports/sale-store.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Relay } from "./relay.ts";

const ADJUST_TRIES_MAX = 4;

/** What of the relay is needed here. */
export type BucketTeller = Pick<Relay, "applySettings" | "recall">;

/** See the head of this file. */
export class RelayingSaleStore implements SaleStore {
  readonly #store: SaleStore;
  readonly #relay: BucketTeller;
  readonly #log: Log;

  constructor(parts: { store: SaleStore; relay: BucketTeller; log: Log }) {
    this.#store = parts.store;
    this.#relay = parts.relay;
    this.#log = parts.log;
  }

  async patchSale(saleId: SaleId, patch: SalePatch): Promise<Sale | null> {
    return this.#tellBuckets(await this.#store.patchSale(saleId, patch));
  }

  async commandSale(saleId: SaleId, command: SaleCommand): Promise<Sale | null> {
    return this.#tellBuckets(await this.#store.commandSale(saleId, command));
  }

  async adjustStock(request: Parameters<SaleStore["adjustStock"]>[0]): Promise<Stock | null> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#store.adjustStock(request);
      } catch (error) {
        // What came home may be lent out again before it is taken; a few tries decide it one way or the other.
        const mayHelp = request.delta < 0 && isFault(error, "SALE_CONFLICT") && tries < ADJUST_TRIES_MAX;
        if (!mayHelp || !(await this.#bringHome(request))) throw error;
      }
    }
  }

  /** Buckets know no prices. */
  changePrice(request: Parameters<SaleStore["changePrice"]>[0]): Promise<Sale | null> {
    return this.#store.changePrice(request);
  }

  createSale(sale: NewSale): Promise<Sale> {
    return this.#store.createSale(sale);
  }

  findSale(saleId: SaleId): Promise<Sale | null> {
    return this.#store.findSale(saleId);
  }

  listSales(request: { rowsMax: number }): Promise<readonly Sale[]> {
    return this.#store.listSales(request);
  }

  salesVersion(): Promise<string> {
    return this.#store.salesVersion();
  }

  createBan(ban: NewBan): Promise<Ban> {
    return this.#store.createBan(ban);
  }

  listBans(): Promise<readonly Ban[]> {
    return this.#store.listBans();
  }

  banRevision(): Promise<number> {
    return this.#store.banRevision();
  }

  deleteBan(id: string): Promise<boolean> {
    return this.#store.deleteBan(id);
  }

  /** Buckets that cannot be told now are told by the conductor; the change itself is done either way. */
  async #tellBuckets(sale: Sale | null): Promise<Sale | null> {
    if (sale === null || sale.mode !== "redis") return sale;
    try {
      await this.#relay.applySettings(sale);
    } catch (error) {
      this.#log.warn({ error, saleId: sale.id }, "the buckets were not told of a change yet; the conductor repeats it");
    }
    return sale;
  }

  /** True when units came home, so that asking again may help. */
  async #bringHome(request: { saleId: SaleId; sku: string; delta: number }): Promise<boolean> {
    const sale = await this.#store.findSale(request.saleId);
    const item = sale?.items.find((candidate) => candidate.sku === request.sku);
    if (sale === null || item === undefined || sale.mode !== "redis") return false;
    return (await this.#relay.recall({ sale, itemId: item.itemId, units: -request.delta })) > 0;
  }
}
