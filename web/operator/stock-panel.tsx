/**
 * Exact stock of each item, live, and changing how much there is: always with a reason, which the log keeps.
 */
import { useSignal } from "@preact/signals";
import { formatMoney } from "../shared/money.ts";
import { textOf } from "./admin-api.ts";
import { type Answered, isWaiting, type Sale, type SaleItem, type StockFigures } from "./documents.ts";
import { bound, Field } from "./field.tsx";
import { ProofForm, type Wanted, withProof } from "./proof.tsx";
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
  const isAdjusting = useSignal(false);
  const { sold, held, free, granted, total } = figures;
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
        {!isClosed && (
          <button
            type="button"
            class="button small quiet"
            aria-expanded={isAdjusting.value}
            onClick={() => {
              isAdjusting.value = !isAdjusting.value;
            }}
          >
            Adjust<span class="hidden"> the stock of {item.name}</span>
          </button>
        )}
      </div>
      {isAdjusting.value && (
        <Adjust
          watch={watch}
          sku={item.sku}
          onDone={() => {
            isAdjusting.value = false;
          }}
        />
      )}
    </div>
  );
}

const DELTA_MAX = 10_000_000;

function checkAdjustment(typed: { delta: string; reason: string }): string {
  const delta = Number(typed.delta.replace("−", "-"));
  if (!/^[+−-]?\d+$/.test(typed.delta.trim()) || delta === 0 || Math.abs(delta) > DELTA_MAX) {
    return "Units: a whole number such as 50 or -50.";
  }
  return typed.reason.trim() === "" ? "Please say why; the log keeps it." : "";
}

function Adjust({ watch, sku, onDone }: { watch: SaleWatch; sku: string; onDone: () => void }) {
  const delta = useSignal("");
  const reason = useSignal("");
  const problem = useSignal("");
  const isBusy = useSignal(false);
  const wanted: Wanted = useSignal(null);
  const submit = async () => {
    if (isBusy.value) return;
    problem.value = checkAdjustment({ delta: delta.value, reason: reason.value });
    if (problem.value !== "") return;
    isBusy.value = true;
    try {
      const body = { delta: Number(delta.value.replace("−", "-")), reason: reason.value.trim() };
      await withProof(wanted, async () => {
        const answer = await watch.api.call<Answered>("POST", `/sales/${watch.saleId}/items/${sku}/adjust`, body);
        watch.outcome.value = isWaiting(answer)
          ? { tone: "good", text: "Somebody else has to approve this: it is among the approvals." }
          : watch.outcome.value;
        await watch.reload();
        onDone();
      });
    } catch (error) {
      problem.value = textOf(error);
    }
    isBusy.value = false;
  };
  return (
    <>
      <form
        class="adjust"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Field id={`delta-${sku}`} label="Add or take units" hint="With a minus to take away." {...bound(delta)} />
        <Field id={`reason-${sku}`} label="Reason" {...bound(reason)} />
        <button type="submit" class="button small primary" aria-disabled={isBusy.value}>
          {isBusy.value ? "Adjusting…" : "Adjust"}
        </button>
        <p class="small bad" role="alert">
          {problem}
        </p>
      </form>
      <ProofForm
        api={watch.api}
        wanted={wanted}
        onProblem={(text) => {
          problem.value = text;
        }}
      />
    </>
  );
}
