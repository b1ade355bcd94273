/** The one word for the state of a sale, the same on the list and on its page. */
import type { SaleState } from "../../client/contract.ts";

export const STATE_CHIPS: Record<SaleState, { readonly text: string; readonly tone: string }> = {
  scheduled: { text: "Not open yet", tone: "" },
  open: { text: "Open", tone: "good" },
  paused: { text: "Paused", tone: "warn" },
  empty: { text: "All taken for now", tone: "warn" },
  sold_out: { text: "Sold out", tone: "" },
  closed: { text: "Over", tone: "" },
};
