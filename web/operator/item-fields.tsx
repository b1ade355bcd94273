/**
 * The items of a sale that is being created: one row of fields each, with adding and removing.
 */
import { Field } from "./field.tsx";
import { EMPTY_ITEM, type FieldErrors, type ItemDraft } from "./sale-draft.ts";

const ITEMS_MAX = 64;

export interface ItemFieldsProps {
  readonly items: readonly ItemDraft[];
  readonly currency: string;
  readonly errors: FieldErrors;
  readonly onItems: (items: readonly ItemDraft[]) => void;
}

export function ItemFields({ items, currency, errors, onItems }: ItemFieldsProps) {
  const change = (index: number, changes: Partial<ItemDraft>) =>
    onItems(items.map((item, at) => (at === index ? { ...item, ...changes } : item)));
  const add = () => {
    onItems([...items, EMPTY_ITEM]);
    focusSku(items.length);
  };
  const remove = (index: number) => {
    onItems(items.filter((_, at) => at !== index));
    focusSku(Math.max(0, index - 1));
  };
  return (
    <section class="stack" aria-labelledby="items-title">
      <h2 id="items-title">Items</h2>
      {items.map((item, index) => (
        <fieldset class="card" key={index}>
          <legend class="hidden">Item {index + 1}</legend>
          <div class="item-row">
            {(["sku", "name", "price", "stock"] as const).map((name) => {
              const path = `items[${index}].${name === "price" ? "price.amount" : name}`;
              return (
                <Field
                  key={name}
                  id={path}
                  {...LABELS[name]}
                  label={name === "price" ? `Price in ${currency}` : LABELS[name].label}
                  value={item[name]}
                  error={errors.get(path)}
                  onValue={(value) => change(index, { [name]: value })}
                />
              );
            })}
            {items.length > 1 && (
              <button type="button" class="button small quiet" onClick={() => remove(index)}>
                Remove<span class="hidden"> item {index + 1}</span>
              </button>
            )}
          </div>
        </fieldset>
      ))}
      <p>
        <button type="button" class="button small" aria-disabled={items.length >= ITEMS_MAX} onClick={add}>
          Add an item
        </button>
      </p>
    </section>
  );
}

const LABELS = {
  sku: { label: "Sku", hint: "Short and final." },
  name: { label: "Name", hint: "What buyers read." },
  price: { label: "Price", inputMode: "decimal" },
  stock: { label: "Stock", inputMode: "numeric" },
} as const;

function focusSku(index: number): void {
  requestAnimationFrame(() => document.getElementById(`items[${index}].sku`)?.focus());
}
