/**
 * The conservation proof, asked for by a press: one sentence first, the figures it rests on below.
 */
import { useSignal } from "@preact/signals";
import { textOf } from "./admin-api.ts";
import type { AuditReport } from "./documents.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount, formatMoment } from "./words.ts";

export function AuditPanel({ watch }: { watch: SaleWatch }) {
  const report = useSignal<AuditReport | null>(null);
  const problem = useSignal("");
  const isBusy = useSignal(false);
  const audit = async () => {
    if (isBusy.value) return;
    isBusy.value = true;
    try {
      report.value = await watch.api.call<AuditReport>("GET", `/sales/${watch.saleId}/audit`);
      problem.value = "";
    } catch (error) {
      report.value = null;
      problem.value = textOf(error);
    }
    isBusy.value = false;
  };
  return (
    <section class="card stack" aria-labelledby="audit-title">
      <div class="row spread">
        <h2 id="audit-title">Audit</h2>
        <button type="button" class="button small" aria-disabled={isBusy.value} onClick={() => void audit()}>
          {isBusy.value ? "Counting…" : "Audit now"}
        </button>
      </div>
      <div role="status">
        {problem.value !== "" && <p class="bad">{problem}</p>}
        {report.value !== null && <Verdict report={report.value} />}
        {report.value === null && problem.value === "" && (
          <p class="soft">Compares every order with the stock and says whether each unit is accounted for.</p>
        )}
      </div>
      {report.value !== null && <Proof report={report.value} />}
    </section>
  );
}

function Verdict({ report }: { report: AuditReport }) {
  const units = report.items.reduce((sum, item) => sum + item.total, 0);
  if (report.balanced) {
    return (
      <p class="notice good">
        <strong>Balanced.</strong> All {formatCount(units)} units are accounted for, {formatMoment(report.takenAt)}.
      </p>
    );
  }
  return (
    <div class="notice bad stack">
      <p>
        <strong>Not balanced.</strong> {formatCount(report.violations.length)} rules are broken. Pause the sale and keep
        this report.
      </p>
      <ul>
        {report.violations.map((violation) => (
          <li key={violation.code + violation.sku}>
            <span class="mono">{violation.code}</span> ({violation.sku}): {violation.text}
          </li>
        ))}
      </ul>
    </div>
  );
}

const COLUMNS = ["total", "free", "held", "ordersHeld", "sold", "ordersSold", "inFlight"] as const;
const HEADINGS: Record<(typeof COLUMNS)[number], string> = {
  total: "Total",
  free: "Free",
  held: "Held",
  ordersHeld: "Held, by orders",
  sold: "Sold",
  ordersSold: "Sold, by orders",
  inFlight: "In flight",
};

function Proof({ report }: { report: AuditReport }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-label="Figures of the audit">
      <table class="grid">
        <thead>
          <tr>
            <th scope="col">Item</th>
            {COLUMNS.map((column) => (
              <th key={column} scope="col" class="number">
                {HEADINGS[column]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {report.items.map((item) => (
            <tr key={item.sku}>
              <th scope="row">{item.sku}</th>
              {COLUMNS.map((column) => (
                <td key={column} class="number">
                  {formatCount(item[column])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
