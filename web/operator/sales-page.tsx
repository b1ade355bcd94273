/**
 * All sales, newest first, each with how far it is sold. Refreshed while somebody looks.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type AdminApi, textOf } from "./admin-api.ts";
import { maySteer } from "./console-state.ts";
import type { Sale } from "./documents.ts";
import { StockBar } from "./stock-bar.tsx";
import { formatCount, formatMoment, STATES } from "./words.ts";

const REFRESH_MS = 5_000;

export function SalesPage({ api }: { api: AdminApi }) {
  const sales = useSignal<readonly Sale[] | null>(null);
  const problem = useSignal("");
  useEffect(() => {
    const load = async () => {
      try {
        sales.value = (await api.call<{ sales: readonly Sale[] }>("GET", "/sales")).sales;
        problem.value = "";
      } catch (error) {
        problem.value = textOf(error);
      }
    };
    void load();
    const timer = setInterval(() => document.hidden || void load(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [api]);
  return (
    <div class="stack">
      <div class="row spread">
        <h1 tabIndex={-1}>Sales</h1>
        {maySteer.value && (
          <a class="button primary" href="#/new">
            New sale
          </a>
        )}
      </div>
      <p class="bad" role="alert">
        {problem}
      </p>
      {sales.value === null && problem.value === "" && <p class="soft">Loading…</p>}
      {sales.value?.length === 0 && (
        <div class="card stack empty">
          <h2>No sale yet</h2>
          <p class="soft">Create one, look at it as a buyer, and open it when you are ready.</p>
        </div>
      )}
      <ul class="list">
        {sales.value?.map((sale) => (
          <li key={sale.id}>
            <SaleRow sale={sale} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function SaleRow({ sale }: { sale: Sale }) {
  const sum = (name: "total" | "free" | "held" | "sold" | "granted") =>
    sale.items.reduce((units, item) => units + item[name], 0);
  const figures = {
    total: sum("total"),
    free: sum("free"),
    granted: sum("granted"),
    held: sum("held"),
    sold: sum("sold"),
  };
  const state = STATES[sale.state];
  return (
    <a class="card sale-row" href={`#/sales/${sale.id}`}>
      <span class="row spread">
        <strong>{sale.name}</strong>
        <span class={`chip ${state.tone}`}>{state.text}</span>
      </span>
      <StockBar figures={figures} />
      <span class="row spread small soft">
        <span>
          {formatCount(figures.sold)} of {formatCount(figures.total)} sold, {formatCount(figures.held)} held
        </span>
        <span>
          {formatMoment(sale.opensAt)} – {formatMoment(sale.closesAt)}
        </span>
      </span>
    </a>
  );
}
