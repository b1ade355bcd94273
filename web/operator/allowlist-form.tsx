/**
 * Replacing the allowlist of a sale that has one. The new list takes the whole place of the old.
 */
import { useSignal } from "@preact/signals";
import { textOf } from "./admin-api.ts";
import { bound, Field } from "./field.tsx";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount } from "./words.ts";

export function AllowlistForm({ watch }: { watch: SaleWatch }) {
  const text = useSignal("");
  const said = useSignal<{ readonly tone: "good" | "bad"; readonly text: string } | null>(null);
  const replace = async () => {
    try {
      const { buyers } = await watch.api.call<{ buyers: number }>(
        "PUT",
        `/sales/${watch.saleId}/allowlist`,
        text.value,
      );
      said.value = { tone: "good", text: `The allowlist now has ${formatCount(buyers)} buyers.` };
    } catch (error) {
      said.value = { tone: "bad", text: textOf(error) };
    }
  };
  return (
    <form
      class="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        void replace();
      }}
    >
      <h2>Allowlist</h2>
      <Field id="allowlist" label="Buyer ids, one a line" hint="Replaces the whole list." {...bound(text)} isLong />
      <div class="row">
        <button type="submit" class="button">
          Replace the allowlist
        </button>
        <p class={said.value?.tone ?? ""} role="status">
          {said.value?.text}
        </p>
      </div>
    </form>
  );
}
