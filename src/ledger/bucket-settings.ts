/**
 * What the buckets of an item must know of its sale: window, pause, limit, hold time.
 *
 * A bucket checks these by its own clock in the same step in which it takes units, so a pause or a closing holds even on
 * a node whose catalogue is old. The revision keeps an older change from replacing a newer one.
 */
import { firstOpensAt, type Item, type Sale } from "../domain/sale.ts";
import type { BucketSettings } from "../ports/bucket-store.ts";

/** The settings of the item's buckets that follow from the sale as it is now. */
export function bucketSettingsOf(sale: Sale, item: Pick<Item, "perBuyerMax">): BucketSettings {
  const closedAt = sale.phase === "closed" ? (sale.closedAt ?? sale.opensAt) : sale.closesAt;
  return {
    revision: sale.revision,
    opensAt: firstOpensAt(sale),
    closesAt: Math.min(sale.closesAt, closedAt),
    isPaused: sale.phase === "paused",
    perBuyerMax: item.perBuyerMax,
    holdMs: sale.holdMs,
  };
}
