/**
 * How the sale came into the mode it is in: when, from what to what, in which epoch and why.
 *
 * Read again when the live figures tell of another mode or epoch; it stays closed until somebody wants to know.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { textOf } from "./admin-api.ts";
import { type Column, DataTable } from "./data-table.tsx";
import type { ModeChange } from "./documents.ts";
import { MODES } from "./ledger-words.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount, formatMoment } from "./words.ts";

const COLUMNS: readonly Column<ModeChange>[] = [
  { heading: "When", show: ({ at }) => formatMoment(at) },
  { heading: "From", show: ({ from }) => (from === null ? "–" : MODES[from].text) },
  { heading: "To", show: ({ to }) => MODES[to].text },
  { heading: "Epoch", show: ({ epoch }) => formatCount(epoch), isNumber: true },
  { heading: "Why", show: ({ reason }) => reason, isLong: true },
];

export function ModeHistory({ watch, standing }: { watch: SaleWatch; standing: { mode: string; epoch: number } }) {
  const changes = useSignal<readonly ModeChange[] | null>(null);
  const problem = useSignal("");
  const { mode, epoch } = standing;
  useEffect(() => {
    const path = `/sales/${watch.saleId}/mode-changes`;
    watch.api.call<{ changes: readonly ModeChange[] }>("GET", path).then(
      (answer) => {
        changes.value = answer.changes;
        problem.value = "";
      },
      (error: unknown) => {
        problem.value = textOf(error);
      },
    );
  }, [watch, mode, epoch]);
  const known = changes.value;
  return (
    <details>
      <summary>Changes of mode{known !== null && ` (${formatCount(Math.max(0, known.length - 1))})`}</summary>
      <p class="bad" role="alert">
        {problem}
      </p>
      {known === null && problem.value === "" && <p class="soft">Loading…</p>}
      {known !== null && (
        <DataTable
          label="Changes of mode"
          columns={COLUMNS}
          rows={known}
          keyOf={({ at, to, epoch: of }) => `${at} ${of} ${to}`}
        />
      )}
    </details>
  );
}
