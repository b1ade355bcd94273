/**
 * Stock for displays and alarms: the ledger's word, or PostgreSQL's rows while the ledger gives none.
 *
 * The rows are always true and never the whole story: what buckets have is in them as `granted`. Nobody may be refused
 * or accepted on these figures; an operator who watches Redis die must still see his sale.
 */
import { isFault } from "../domain/faults.ts";
import type { Ledger } from "../ports/ledger.ts";

/** `stored` reads the rows themselves. Throws only what `stored` throws, or what is no fault of the ledger's. */
export function createShownStock(parts: {
  ledger: Pick<Ledger, "readStock">;
  stored: Pick<Ledger, "readStock">;
}): Pick<Ledger, "readStock"> {
  return {
    async readStock(itemIds) {
      try {
        return await parts.ledger.readStock(itemIds);
      } catch (error) {
        if (!isFault(error) || !error.code.startsWith("LEDGER_")) throw error;
        return await parts.stored.readStock(itemIds);
      }
    },
  };
}
