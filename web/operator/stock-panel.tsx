/**
 * Exact stock of each item, live, and changing how much there is or what it costs (change-form.tsx).
 */
import { useSignal } from "@preact/signals";
import { formatMoney, parseAmount } from "../shared/money.ts";
import { ChangeForm } from "./change-form.tsx";
import { maySteer } from "./console-state.ts";
import type { Sale, SaleItem, StockFigures } from "./documents.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { StockBar } from "./stock-bar.tsx";
import { formatCount } from "./words.ts";

export function StockPanel({ watch, sale }: { watch: SaleWatch; sale: Sale }) {
  const live = watch.stats.value?.stock;
  return (
    <section class="card stack" aria-labelledby="stock-title">
      <div class="row spread">
        <h2 id="stock-title">Stock</h2>
        <p class="row small soft legend" aria-hidden="true">
          <span class="is-sold">sold</span>
          <span class="is-held">held</span>
          <span class="is-free">free</span>
        </p>
      </div>
      {sale.items.map((item) => (
        <Item
          key={item.sku}
          watch={watch}
          item={item}
          figures={live?.find(({ sku }) => sku === item.sku) ?? item}
          isClosed={sale.state === "closed"}
        />
      ))}
    </section>
  );
}

interface ItemProps {
  readonly watch: SaleWatch;
  readonly item: SaleItem;
  readonly figures: StockFigures;
  readonly isClosed: boolean;
}

function Item({ watch, item, figures, isClosed }: ItemProps) {
  const changing = useSignal<"stock" | "price" | null>(null);
  const { sold, held, free, granted, total } = figures;
  const toggle = (what: "stock" | "price", text: string, ofWhat: string) => (
    <button
      type="button"
      class="button small quiet"
      aria-expanded={changing.value === what}
      onClick={() => {
        changing.value = changing.value === what ? null : what;
      }}
    >
      {text}
      <span class="hidden"> {`${ofWhat} ${item.name}`}</span>
    </button>
  );
  return (
    <div class="stock-item">
      <div class="row spread">
        <h3>{item.name}</h3>
        <span class="small soft">
          {formatMoney(item.price)} · at most {item.perBuyerMax}
        </span>
      </div>
      <StockBar figures={figures} />
      <div class="row spread small">
        <p>
          <strong>{formatCount(sold)}</strong> sold, <strong>{formatCount(held)}</strong> held,{" "}
          <strong>{formatCount(free)}</strong> free{granted > 0 ? `, ${formatCount(granted)} granted` : ""} of{" "}
          {formatCount(total)}
        </p>
        {!isClosed && maySteer.value && (
          <div class="row">
            {toggle("stock", "Adjust", "the stock of")}
            {toggle("price", "New price", "of")}
          </div>
        )}
      </div>
      {changing.value !== null && (
        <Change
          key={changing.value}
          what={changing.value}
          watch={watch}
          item={item}
          onDone={() => {
            changing.value = null;
          }}
        />
      )}
    </div>
  );
}

interface ChangeProps {
  readonly what: "stock" | "price";
  readonly watch: SaleWatch;
  readonly item: SaleItem;
  readonly onDone: () => void;
}

function Change({ what, watch, item, onDone }: ChangeProps) {
  const common = { watch, id: `${what}-${item.sku}`, onDone };
  const path = `/sales/${watch.saleId}/items/${item.sku}`;
  if (what === "stock") {
    return (
      <ChangeForm
        {...common}
        label="Add or take units"
        hint="With a minus to take away."
        verb="Adjust"
        method="POST"
        path={`${path}/adjust`}
        read={readDelta}
      />
    );
  }
  const { currency } = item.price;
  return (
    <ChangeForm
      {...common}
      label={`New price (${currency})`}
      hint="While there are no orders."
      verb="Change the price"
      method="PUT"
      path={`${path}/price`}
      read={(text) => {
        const amount = parseAmount({ text, currency });
        return amount === null ? `A price such as ${formatMoney({ amount: 4_900, currency })}.` : { amount };
      }}
    />
  );
}

const DELTA_MAX = 10_000_000;

function readDelta(typed: string): { readonly delta: number } | string {
  const delta = Number(typed.replace("−", "-"));
  const isDelta = /^[+−-]?\d+$/.test(typed.trim()) && delta !== 0 && Math.abs(delta) <= DELTA_MAX;
  return isDelta ? { delta } : "Units: a whole number such as 50 or -50.";
}
