/**
 * The figures an operator looks at first, once a second: how much is sold, how fast, how long it takes, who decides.
 */
import type { ReadonlySignal } from "@preact/signals";
import type { Stats } from "./documents.ts";
import { HISTORY_POINTS_MAX, type SaleWatch } from "./sale-watch.ts";
import { formatCount, formatLatency, formatRate } from "./words.ts";

export function LivePanel({ watch }: { watch: SaleWatch }) {
  const stats = watch.stats.value;
  return (
    <section class="card" aria-labelledby="live-title">
      <div class="row spread">
        <h2 id="live-title">Live</h2>
        <p class="small soft">
          {stats === null
            ? "Waiting for the first figures…"
            : `${stats.mode} ledger · epoch ${stats.epoch} · ${formatCount(stats.nodes)} ${stats.nodes === 1 ? "node" : "nodes"} · backlog ${formatCount(stats.backlog)}`}
        </p>
      </div>
      <dl class="figures">
        {figuresOf(stats).map(([term, value, note]) => (
          <div key={term}>
            <dt class="small soft">{term}</dt>
            <dd class="figure">{value}</dd>
            <dd class="small soft">{note}</dd>
          </div>
        ))}
      </dl>
      <Sparkline history={watch.history} />
    </section>
  );
}

function figuresOf(stats: Stats | null): readonly (readonly [term: string, value: string, note: string])[] {
  const sum = (name: "total" | "free" | "held" | "sold") =>
    stats?.stock.reduce((units, item) => units + item[name], 0) ?? 0;
  const show = (value: (known: Stats) => string) => (stats === null ? "–" : value(stats));
  return [
    ["Sold", show(() => formatCount(sum("sold"))), `of ${formatCount(sum("total"))}`],
    ["Held, unpaid", show(() => formatCount(sum("held"))), `${formatCount(sum("free"))} free`],
    [
      "Accepted",
      show(({ decisions }) => formatCount(decisions.accepted)),
      show(({ rates }) => `${formatRate(rates.acceptedPerS)} /s now`),
    ],
    [
      "Decisions",
      show(({ decisions }) => formatCount(decisions.total)),
      show(({ rates }) => `${formatRate(rates.decisionsPerS)} /s now`),
    ],
    [
      "Answer, accepted",
      show(({ latencies: { accepted } }) => formatLatency({ count: accepted.count, ms: accepted.p50Ms })),
      show(({ latencies: { accepted } }) => `p99 ${formatLatency({ count: accepted.count, ms: accepted.p99Ms })}`),
    ],
    [
      "Answer, refused",
      show(({ latencies: { refused } }) => formatLatency({ count: refused.count, ms: refused.p50Ms })),
      show(({ latencies: { refused } }) => `p99 ${formatLatency({ count: refused.count, ms: refused.p99Ms })}`),
    ],
  ];
}

const HEIGHT = 48;

/** Decisions a second over the last two minutes; decoration beside the figures, so a screen reader skips it. */
function Sparkline({ history }: { history: ReadonlySignal<readonly { readonly decisionsPerS: number }[]> }) {
  const points = history.value;
  const most = Math.max(1, ...points.map((point) => point.decisionsPerS));
  const start = HISTORY_POINTS_MAX - points.length;
  const line = points
    .map(
      ({ decisionsPerS }, index) =>
        `${start + index},${(HEIGHT - 2 - (decisionsPerS / most) * (HEIGHT - 6)).toFixed(1)}`,
    )
    .join(" ");
  return (
    <figure class="spark" aria-hidden="true">
      <svg viewBox={`0 0 ${HISTORY_POINTS_MAX - 1} ${HEIGHT}`} preserveAspectRatio="none">
        <title>Decisions per second, last two minutes</title>
        <polyline points={line} />
      </svg>
      <figcaption class="small soft">
        <span>Decisions per second, last two minutes</span>
        <span>most {formatRate(most)}</span>
      </figcaption>
    </figure>
  );
}
