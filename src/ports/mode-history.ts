/**
 * Port: how a sale came into the mode it is in, for people.
 *
 * Promises: every change of mode or epoch that was committed is there, once, whichever path of the ledger made it; so is
 * the sale's beginning. Changes nothing and decides nothing: what holds now is the sale's own row. A call that fails or is
 * too late throws the database's fault and may be repeated.
 */
import type { SaleId } from "../domain/ids.ts";
import type { LedgerMode } from "../domain/sale.ts";

export interface ModeChange {
  /** By the database's clock, milliseconds since the epoch. */
  readonly at: number;
  /** Null where the sale began, and for what was before this was written down. */
  readonly from: LedgerMode | null;
  readonly to: LedgerMode;
  /** The sale's epoch from then on. */
  readonly epoch: number;
  readonly reason: string;
}

export interface ModeHistory {
  /** The newest first. Empty for a sale that is not there. */
  read(request: { readonly saleId: SaleId; readonly rowsMax: number }): Promise<readonly ModeChange[]>;
}
