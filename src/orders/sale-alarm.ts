/**
 * Stops a sale's redis mode when something proves that Redis cannot be trusted: whoever sees the proof pulls this.
 *
 * The alarm is the mode itself: redis → draining, by compare and swap in Postgres, so that it reaches the conductor
 * wherever that runs and outlives whoever raised it. Nobody sells then; the conductor drains, fences and goes on in
 * postgres mode. Moves no unit.
 */
import type { SaleId } from "../domain/ids.ts";
import type { Books } from "../ports/books.ts";
import type { Log } from "../ports/telemetry.ts";

export interface SaleAlarm {
  /** Never throws: an alarm that could not be recorded is logged, and the proof will be met again. */
  raise(alarm: { saleId: SaleId; epoch: number; reason: string }): Promise<void>;
}

export function createSaleAlarm(parts: { books: Pick<Books, "changeMode">; log: Log }): SaleAlarm {
  const { books, log } = parts;
  return {
    async raise({ saleId, epoch, reason }) {
      log.error({ saleId, epoch, reason }, "the redis ledger of a sale cannot be trusted; its redis mode is stopped");
      try {
        await books.changeMode({ saleId, epoch, from: "redis", to: "draining", reason });
      } catch (error) {
        log.error({ saleId, epoch, error }, "the alarm could not be recorded; it is raised again with the next proof");
      }
    },
  };
}
