/**
 * What is on: every sale that is not long over, with the way to it. The list is read again now and then; the sale's own page
 * is the live one.
 */
import type { SaleDocument } from "../../client/contract.ts";
import { saleStateNow } from "./buy-button.ts";
import { STATE_CHIPS } from "./state-chips.ts";

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** What was read last, null before; and whether the newest look failed. */
export interface SaleList {
  readonly sales: readonly SaleDocument[] | null;
  readonly isFailed: boolean;
}

const RETRY_MS = 5_000;
/** At least; up to twice as long, so that a crowd does not ask in step. */
const REFRESH_MS = 10_000;

/** Reads the list and hands it over, again and again: a sale opens while somebody looks. */
export async function loadSales(show: (list: SaleList) => void, known: SaleList["sales"] = null): Promise<void> {
  let sales = known;
  let pauseMs = REFRESH_MS * (1 + Math.random());
  try {
    if (known === null || !document.hidden) {
      const response = await fetch("/v1/sales");
      if (!response.ok) throw new Error(`The list answered ${response.status}.`);
      ({ sales } = (await response.json()) as { sales: readonly SaleDocument[] });
      show({ sales, isFailed: false });
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    show({ sales, isFailed: true });
    pauseMs = RETRY_MS;
  }
  setTimeout(() => void loadSales(show, sales), pauseMs);
}

export function ListPage({ list: { sales, isFailed } }: { list: SaleList }) {
  return (
    <div class="stack">
      <h1>What is on</h1>
      <p class={isFailed ? "notice warn" : ""} role="alert">
        {isFailed && "No connection to the server. This page keeps trying."}
      </p>
      {sales === null && !isFailed && <p class="soft">Loading…</p>}
      {sales?.length === 0 && <p class="soft">Nothing is on sale here now. Come back later.</p>}
      <ul class="list">
        {sales?.map((sale) => (
          <li key={sale.id}>
            <Teaser sale={sale} />
          </li>
        ))}
      </ul>
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
