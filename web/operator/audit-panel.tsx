/**
 * The conservation proof, asked for by a press: one sentence first, the figures it rests on below.
 */
import { useSignal } from "@preact/signals";
import { textOf } from "./admin-api.ts";
import { type Column, DataTable } from "./data-table.tsx";
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
  if (report.balanced && report.unproven !== null) {
    return (
      <p class="notice warn">
        <strong>PostgreSQL is balanced, Redis is unproven.</strong> {report.unproven} Audit again when it answers.
      </p>
    );
  }
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

const BOOKS = {
  total: "Total",
  free: "Free",
  granted: "Granted to Redis",
  held: "Held",
  ordersHeld: "Held, by orders",
  sold: "Sold",
  ordersSold: "Sold, by orders",
  inFlight: "In flight",
} as const;

const PLACES = {
  free: "Free",
  unapplied: "On the way",
  available: "In buckets",
  leased: "Leased to nodes",
  uncommitted: "Accepted, not committed",
  held: "Held",
  sold: "Sold",
  sum: "Sum",
  total: "Total",
} as const;

function Proof({ report }: { report: AuditReport }) {
  const placed = report.items.flatMap(({ sku, places }) => (places === null ? [] : [{ sku, ...places }]));
  return (
    <>
      <Figures label="Figures of the audit" headings={BOOKS} rows={report.items} />
      {placed.length > 0 && (
        <>
          <p class="small soft">Where the units are, by a look at both a moment later:</p>
          <Figures label="Places of the units" headings={PLACES} rows={placed} />
        </>
      )}
    </>
  );
}

interface FiguresProps<Name extends string> {
  readonly label: string;
  readonly headings: Readonly<Record<Name, string>>;
  readonly rows: readonly (Readonly<Record<NoInfer<Name>, number>> & { readonly sku: string })[];
}

function Figures<Name extends string>({ label, headings, rows }: FiguresProps<Name>) {
  const names = Object.keys(headings) as Name[];
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { heading: "Item", show: ({ sku }) => sku },
    ...names.map((name) => ({
      heading: headings[name],
      show: (row: (typeof rows)[number]) => formatCount(row[name]),
      isNumber: true,
    })),
  ];
  return <DataTable label={label} columns={columns} rows={rows} keyOf={({ sku }) => sku} />;
}
