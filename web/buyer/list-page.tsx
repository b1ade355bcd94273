/**
 * What is on: every sale that is not long over, with the way to it. A plain list; the sale's own page is the live one.
 */
import type { SaleDocument } from "../../client/contract.ts";
import { saleStateNow } from "./buy-button.ts";
import { STATE_CHIPS } from "./state-chips.ts";

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** The sales, or why there are none to show yet. */
export type SaleList = readonly SaleDocument[] | "loading" | "failed";

const RETRY_MS = 5_000;

/** Reads the list and hands it over; again after a while when that fails. */
export async function loadSales(show: (list: SaleList) => void): Promise<void> {
  try {
    const response = await fetch("/v1/sales");
    if (!response.ok) throw new Error(`The list answered ${response.status}.`);
    show(((await response.json()) as { sales: readonly SaleDocument[] }).sales);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    show("failed");
    setTimeout(() => void loadSales(show), RETRY_MS);
  }
}

export function ListPage({ list }: { list: SaleList }) {
  return (
    <div class="stack">
      <h1>What is on</h1>
      {list === "loading" && <p class="soft">Loading…</p>}
      {list === "failed" && <p role="alert">No connection to the server. This page keeps trying.</p>}
      {list.length === 0 && <p class="soft">Nothing is on sale here now. Come back later.</p>}
      {typeof list !== "string" && (
        <ul class="list">
          {list.map((sale) => (
            <li key={sale.id}>
              <Teaser sale={sale} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Teaser({ sale }: { sale: SaleDocument }) {
  const state = saleStateNow(sale, sale.serverNow);
  const chip = STATE_CHIPS[state];
  return (
    <a class="card teaser stack" href={`/sales/${sale.id}`}>
      <span class="row spread">
        <strong>{sale.name}</strong>
        <span class={`chip ${chip.tone}`}>{chip.text}</span>
      </span>
      <span class="small soft">
        {state === "scheduled" ? "Opens" : "Closes"}{" "}
        {MOMENT.format(state === "scheduled" ? sale.opensAt : sale.closesAt)}
      </span>
    </a>
  );
}
