/**
 * One item: its price, how many, and the one button whose words come from buy-button.ts.
 *
 * The button never becomes `disabled`, only `aria-disabled`: somebody waiting for the opening with the focus on it must
 * still have the focus there when it opens. The line below it keeps its height, so nothing moves when it speaks.
 */
import type { Availability, SaleDocument, SaleItem } from "../../client/contract.ts";
import { formatMoney } from "../shared/money.ts";
import { buyButtonView, saleStateNow } from "./buy-button.ts";
import { ReadyButton } from "./ready-button.tsx";
import type { SaleModel } from "./sale-model.ts";

const BANDS: Record<Availability, { text: string; tone: string }> = {
  plenty: { text: "Plenty", tone: "good" },
  some: { text: "Some left", tone: "" },
  few: { text: "Few left", tone: "warn" },
  none: { text: "None free now", tone: "" },
};

export function ItemCard({ model, sale, item }: { model: SaleModel; sale: SaleDocument; item: SaleItem }) {
  const { now, opensAt } = model;
  const purchase = model.purchaseOf(item.sku);
  const own = model.ownUnits(item.sku);
  const isDone = own.unpaidRid !== null || own.units >= item.perBuyerMax;
  const restMax = isDone ? item.perBuyerMax : item.perBuyerMax - own.units;
  const quantity = Math.min(model.chosen.get(item.sku) ?? 1, restMax);
  const view = buyButtonView({
    ...sale,
    opensAt,
    now,
    availability: item.availability,
    perBuyerMax: item.perBuyerMax,
    purchase,
    ownUnits: own.units,
    holdsUnpaid: own.unpaidRid !== null,
    price: formatMoney({ amount: item.price.amount * quantity, currency: item.price.currency }),
  });
  const state = saleStateNow({ ...sale, opensAt }, now);
  const isOver = state === "closed" || state === "sold_out";
  const canArm = state === "scheduled" && !isDone;
  const band = BANDS[item.availability];
  const id = `i-${item.sku}`;
  return (
    <li class="card item">
      <div class="row spread">
        <h3 id={id}>{item.name}</h3>
        <strong>{formatMoney(item.price)}</strong>
      </div>
      <p class="row small soft">
        {!isOver && <span class={`chip ${band.tone}`}>{band.text}</span>}
        At most {item.perBuyerMax} per person
      </p>
      <div class="buy">
        {item.perBuyerMax > 1 && !isOver && (
          <QuantityChoice
            name={item.name}
            quantity={quantity}
            quantityMax={restMax}
            isFixed={isDone || purchase.kind === "sending" || purchase.kind === "waiting"}
            onChoose={(chosen) => {
              model.chosen.set(item.sku, chosen);
              model.changed();
            }}
          />
        )}
        <button
          id={`${id}-buy`}
          type="button"
          class={`button grow ${view.tone}`}
          aria-disabled={view.action === null}
          aria-describedby={`${id} ${id}-note`}
          onClick={() => model.press(item.sku, quantity, view.action)}
        >
          {view.label}
        </button>
      </div>
      <p id={`${id}-note`} class="note small soft">
        {view.note}
      </p>
      {canArm && (
        <ReadyButton
          readiness={model.arming.of(item.sku, quantity)}
          onArm={() => model.arming.arm(item.sku, quantity)}
          buyId={`${id}-buy`}
        />
      )}
    </li>
  );
}

interface QuantityChoiceProps {
  readonly name: string;
  readonly quantity: number;
  readonly quantityMax: number;
  readonly isFixed: boolean;
  readonly onChoose: (quantity: number) => void;
}

function QuantityChoice({ name, quantity, quantityMax, isFixed, onChoose }: QuantityChoiceProps) {
  return (
    <label>
      <span class="hidden">How many of {name}</span>
      <select
        class="input"
        value={quantity}
        disabled={isFixed}
        onChange={(event) => onChoose(Number(event.currentTarget.value))}
      >
        {Array.from({ length: quantityMax }, (_, index) => (
          <option key={index} value={index + 1}>
            {index + 1}
          </option>
        ))}
      </select>
    </label>
  );
}
