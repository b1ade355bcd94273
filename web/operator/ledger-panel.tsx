/**
 * Who decides about the sale's stock, since when and why, what waits for its commit, and what each bucket has.
 *
 * The warning at the top of the page is LedgerNotice; this panel is where the figures behind it are. Figures that Redis
 * owes are shown as unknown, never as zero.
 */
import { type Column, DataTable } from "./data-table.tsx";
import type { Bucket, Ledger } from "./documents.ts";
import { ledgerNotice, MODES, modeTone, promiseOf } from "./ledger-words.ts";
import { ModeHistory } from "./mode-history.tsx";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount, formatMoment } from "./words.ts";

/** Beyond this the table starts closed: it would push everything else off the screen. */
const BUCKETS_OPEN_MAX = 8;

/** What an operator must not miss; nothing while all is as it should be. */
export function LedgerNotice({ watch }: { watch: SaleWatch }) {
  const stats = watch.stats.value;
  const notice = stats?.ledger ? ledgerNotice(stats.ledger, stats.at) : null;
  if (notice === null) return null;
  return (
    <p class={`notice ${notice.tone}`} role="alert">
      <strong>{notice.text}</strong> Reason: {stats?.ledger?.reason}
    </p>
  );
}

export function LedgerPanel({ watch }: { watch: SaleWatch }) {
  const stats = watch.stats.value;
  if (stats === null || stats.ledger === null) return null;
  const { ledger } = stats;
  return (
    <section class="card stack" aria-labelledby="ledger-title">
      <div class="row spread">
        <h2 id="ledger-title">Ledger</h2>
        <span class={`chip ${modeTone(ledger)}`}>{MODES[ledger.mode].text}</span>
      </div>
      <p class="small soft">{MODES[ledger.mode].meaning}</p>
      <dl class="facts">
        {factsOf(ledger).map(([term, text]) => (
          <div key={term}>
            <dt class="small soft">{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <Buckets buckets={ledger.bucketStock} />
      <ModeHistory watch={watch} standing={ledger} />
    </section>
  );
}

function factsOf(ledger: Ledger): readonly (readonly [term: string, text: string])[] {
  const usesRedis = ledger.durability !== null;
  const known = (value: number | null) => (value === null ? "unknown" : formatCount(value));
  const facts: (readonly [string, string])[] = [
    ["Since", formatMoment(ledger.sinceMs)],
    ["Why", ledger.reason],
    ["Epoch", formatCount(ledger.epoch)],
    ["Promise", promiseOf(ledger)],
  ];
  if (!usesRedis) return facts;
  return [
    ...facts,
    ["Waiting for commit", known(ledger.backlog)],
    ["Returns to Redis", formatCount(ledger.flips)],
    ["Buckets per item", formatCount(ledger.buckets)],
  ];
}

const BUCKET_COLUMNS: readonly Column<Bucket>[] = [
  { heading: "Item", show: ({ sku }) => sku },
  { heading: "Bucket", show: ({ bucket }) => formatCount(bucket), isNumber: true },
  { heading: "Available", show: ({ available }) => formatCount(available), isNumber: true },
  { heading: "Leased to nodes", show: ({ leased }) => formatCount(leased), isNumber: true },
  { heading: "Accepted", show: ({ reserved }) => formatCount(reserved), isNumber: true },
  { heading: "Gate", show: ({ isOpen }) => (isOpen ? "open" : <span class="warn">closed</span>) },
];

function Buckets({ buckets }: { buckets: readonly Bucket[] | null }) {
  if (buckets === null) {
    return (
      <p class="notice warn">Redis gives no answer, so what its buckets have is unknown. Nothing is lost by that.</p>
    );
  }
  if (buckets.length === 0) return null;
  return (
    <details open={buckets.length <= BUCKETS_OPEN_MAX}>
      <summary>Buckets ({formatCount(buckets.length)})</summary>
      <DataTable
        label="Units of each bucket"
        columns={BUCKET_COLUMNS}
        rows={buckets}
        keyOf={({ sku, bucket }) => `${sku} ${bucket}`}
      />
    </details>
  );
}
