/**
 * A batcher over a ledger in memory, on a clock that the test moves.
 */
import type { BuyerId, Rid, SaleId } from "../../src/domain/ids.ts";
import { Batcher, type FlushReport } from "../../src/ledger/batcher.ts";
import type { Attempt } from "../../src/ports/ledger.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { evenRandom } from "./recording-log.ts";

/** The sale has one item, number 1. */
export function batcherSetting(stock = 1_000) {
  const clock = new ManualClock();
  const ledger = new MemoryLedger();
  ledger.addItem(1, stock);
  const reports: FlushReport[] = [];
  const known = { epoch: 1, refreshes: 0 };
  const batcher = new Batcher({
    ledger,
    clock,
    random: evenRandom(),
    saleId: "demo" as SaleId,
    itemId: 1,
    epoch: () => known.epoch,
    refreshEpoch: async () => {
      known.refreshes += 1;
      known.epoch = ledger.item(1).epoch;
    },
    onFlush: (report) => reports.push(report),
  });
  return { clock, ledger, batcher, reports, known };
}

export function attempt(rid: string, buyerId: string, quantity = 1): Attempt {
  return { rid: rid as Rid, buyerId: buyerId as BuyerId, quantity };
}

/** So many attempts of as many buyers. */
export const many = (count: number) => Array.from({ length: count }, (_, index) => attempt(`r${index}`, `b${index}`));
