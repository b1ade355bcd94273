/**
 * Replacing the allowlist of a sale that has one, by what is typed or by a file of up to a million lines. The new list takes
 * the whole place of the old; if a line is wrong nothing changes, and the wrong lines are named.
 */
import { useSignal } from "@preact/signals";
import { AdminError, textOf } from "./admin-api.ts";
import { bound, Field } from "./field.tsx";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount } from "./words.ts";

export function AllowlistForm({ watch }: { watch: SaleWatch }) {
  const text = useSignal("");
  const file = useSignal<File | null>(null);
  const isBusy = useSignal(false);
  const wrong = useSignal<AdminError["errors"]>([]);
  const said = useSignal<{ readonly tone: "good" | "bad"; readonly text: string } | null>(null);
  const replace = async () => {
    if (isBusy.value) return;
    isBusy.value = true;
    const path = `/sales/${watch.saleId}/allowlist`;
    try {
      const { buyers } =
        file.value === null
          ? await watch.api.call<{ buyers: number }>("PUT", path, text.value)
          : await watch.api.upload<{ buyers: number }>(path, file.value);
      said.value = { tone: "good", text: `The allowlist now has ${formatCount(buyers)} buyers.` };
      wrong.value = [];
    } catch (error) {
      said.value = { tone: "bad", text: textOf(error) };
      wrong.value = error instanceof AdminError ? error.errors : [];
    }
    isBusy.value = false;
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
      <Field
        id="allowlist"
        label="Buyer ids, one a line"
        hint="Replaces the whole list. A tier may follow after a comma."
        {...bound(text)}
        isLong
      />
      <div class="field">
        <label for="allowlist-file">Or a file, text or CSV</label>
        <input
          id="allowlist-file"
          class="input"
          type="file"
          accept=".txt,.csv,text/plain,text/csv"
          onChange={(event) => {
            file.value = event.currentTarget.files?.[0] ?? null;
          }}
        />
      </div>
      <div class="row">
        <button type="submit" class="button" aria-disabled={isBusy.value}>
          {isBusy.value ? "Loading…" : "Replace the allowlist"}
        </button>
        <p class={said.value?.tone ?? ""} role="status">
          {said.value?.text}
        </p>
      </div>
      <WrongLines errors={wrong.value} />
    </form>
  );
}

function WrongLines({ errors }: { errors: AdminError["errors"] }) {
  return errors.length === 0 ? null : (
    <ul class="small bad">
      {errors.map((error) => (
        <li key={error.field}>
          {error.field} {error.text}
        </li>
      ))}
    </ul>
  );
}
