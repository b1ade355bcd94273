/**
 * Port: who may buy in a sale, and in which tier, as lists of up to a million that are written and read part by part.
 *
 * Promises: a list counts from its publication and never changes; publishing replaces the sale's list in one transaction,
 * raises the sale's revision and is announced on the change feed after it is committed. A list that nobody published is
 * never read, and is gone some time later. Does not check ids, tiers or duplicates: that is its writer's work.
 */
import type { BuyerId, SaleId } from "../domain/ids.ts";

export interface AllowlistEntry {
  readonly buyerId: BuyerId;
  /** The name of the tier that the list gives the buyer; null = none. */
  readonly tier: string | null;
}

/** A list that is in force. */
export interface PublishedAllowlist {
  readonly listId: number;
  readonly buyers: number;
  /** Parts are numbered from 0. */
  readonly parts: number;
}

/** Entries in one part: what a page of memory holds and one statement writes. */
export const ALLOWLIST_PART_MAX = 5_000;

export interface AllowlistStore {
  /** Begins a list that nobody reads yet. Null when there is no such sale. */
  begin(saleId: SaleId): Promise<number | null>;
  /** Parts come in order, each once, of at most {@link ALLOWLIST_PART_MAX} entries. */
  addPart(part: { listId: number; part: number; entries: readonly AllowlistEntry[] }): Promise<void>;
  /** From now on this is the sale's list; the one before is gone. False when the sale or the list is gone. */
  publish(list: PublishedAllowlist & { saleId: SaleId }): Promise<boolean>;
  /** Forgets a list that was not published. */
  discard(listId: number): Promise<void>;
  /** The sale's list; null when none was ever published. */
  findPublished(saleId: SaleId): Promise<PublishedAllowlist | null>;
  /** Null when the part is gone: the list was replaced since. */
  readPart(part: { listId: number; part: number }): Promise<readonly AllowlistEntry[] | null>;
}
