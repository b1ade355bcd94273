/**
 * The allowlists of the sales on this node: each read in the background, part by part, and swapped in as a whole.
 *
 * A list of a million takes seconds to read; bans and pauses must not wait for it, so a refresh of the catalogue waits
 * only a moment. Until the first list of a sale is there nobody is on it; while a newer one is being read the old one
 * counts. A list that was replaced while it was read, or could not be read, is read again at the next refresh.
 */
import type { SaleId } from "../../domain/ids.ts";
import type { AllowlistStore, PublishedAllowlist } from "../../ports/allowlist-store.ts";
import type { Random } from "../../ports/random.ts";
import type { Log } from "../../ports/telemetry.ts";
import { keyedHash } from "../keyed-hash.ts";
import { type Allowlist, AllowlistTable } from "./allowlist-table.ts";

export interface AllowlistShelfParts {
  readonly store: Pick<AllowlistStore, "findPublished" | "readPart">;
  readonly random: Random;
  readonly log: Log;
}

/** A sale's list, always the newest that was read completely. */
class ShelvedList implements Allowlist {
  table: AllowlistTable | null = null;
  /** The list that the table holds; null = none was ever published. */
  listId: number | null = null;
  /** The revision of the sale up to which the list was looked after. */
  revision = -1;
  reading: Promise<void> | null = null;

  has(buyerId: string): boolean {
    return this.table?.has(buyerId) ?? false;
  }

  tierOf(buyerId: string): string | null {
    return this.table?.tierOf(buyerId) ?? null;
  }
}

/** See the head of this file. */
export class AllowlistShelf {
  readonly #parts: AllowlistShelfParts;
  readonly #lists = new Map<SaleId, ShelvedList>();

  constructor(parts: AllowlistShelfParts) {
    this.#parts = parts;
  }

  /** The sale's list, which stays the same object while the shelf holds it. Reads nothing. */
  listOf(saleId: SaleId): Allowlist {
    return this.#shelved(saleId);
  }

  /**
   * Sees to it that the list is that of the sale's revision. Resolves when it is, or when that failed: the log has the
   * reason then, and the next call tries again. Calls share work.
   */
  follow(sale: { readonly id: SaleId; readonly revision: number }): Promise<void> {
    const list = this.#shelved(sale.id);
    if (list.reading !== null) return list.reading;
    if (list.revision >= sale.revision) return Promise.resolve();
    list.reading = this.#read(sale, list).finally(() => {
      list.reading = null;
    });
    return list.reading;
  }

  /** Whether any list is being read now. */
  get isReading(): boolean {
    for (const list of this.#lists.values()) if (list.reading !== null) return true;
    return false;
  }

  /** Forgets the lists of all other sales; nobody is on them any more. */
  keepOnly(saleIds: ReadonlySet<SaleId>): void {
    for (const [saleId, list] of this.#lists) {
      if (saleIds.has(saleId)) continue;
      list.table = null;
      this.#lists.delete(saleId);
    }
  }

  #shelved(saleId: SaleId): ShelvedList {
    const known = this.#lists.get(saleId);
    if (known !== undefined) return known;
    const fresh = new ShelvedList();
    this.#lists.set(saleId, fresh);
    return fresh;
  }

  async #read(sale: { readonly id: SaleId; readonly revision: number }, list: ShelvedList): Promise<void> {
    const { store, log } = this.#parts;
    try {
      const published = await store.findPublished(sale.id);
      if (published !== null && published.listId !== list.listId) {
        const table = await this.#readTable(published);
        if (table === null) return;
        list.table = table;
        list.listId = published.listId;
        log.info({ saleId: sale.id, buyers: table.size }, "allowlist loaded");
      }
      list.revision = sale.revision;
    } catch (error) {
      log.warn({ error, saleId: sale.id }, "an allowlist could not be read; the one before stays in force");
    }
  }

  /** Null when the list was replaced meanwhile. */
  async #readTable({ listId, buyers, parts }: PublishedAllowlist): Promise<AllowlistTable | null> {
    const table = new AllowlistTable(keyedHash(this.#parts.random), buyers);
    for (let part = 0; part < parts; part += 1) {
      const entries = await this.#parts.store.readPart({ listId, part });
      if (entries === null) return null;
      for (const { buyerId, tier } of entries) table.add(buyerId, tier);
    }
    return table;
  }
}
