/**
 * Where attempts ended: the seven stages in order with every reason, then what got through.
 */
import type { Stats } from "./documents.ts";
import type { SaleWatch } from "./sale-watch.ts";
import { formatCount } from "./words.ts";

export function FunnelPanel({ watch }: { watch: SaleWatch }) {
  const stats = watch.stats.value;
  return (
    <section class="card stack" aria-labelledby="funnel-title">
      <h2 id="funnel-title">Funnel</h2>
      <table class="funnel">
        <thead class="hidden">
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">Attempts that ended here</th>
            <th scope="col">Reasons</th>
          </tr>
        </thead>
        <tbody>{stats === null ? <NoFigures /> : <Stages stats={stats} />}</tbody>
      </table>
      <p class="small soft">
        Nodes count attempts and report them every second: one that is killed takes its last second of counting with it.
        Units are counted by the audit, and never lost.
      </p>
    </section>
  );
}

function NoFigures() {
  return (
    <tr>
      <td class="soft">Waiting for the first figures…</td>
    </tr>
  );
}

function Stages({ stats }: { stats: Stats }) {
  const { decisions } = stats;
  const most = Math.max(1, decisions.accepted, ...stats.stages.map((stage) => stage.refused));
  const shown = stats.stages.filter(({ stage, refused }) => stage !== "none" || refused > 0);
  return (
    <>
      {shown.map(({ stage, refused, reasons }, index) => (
        <Row
          key={stage}
          name={stage === "none" ? "our faults" : `${index + 1} ${stage}`}
          count={refused}
          most={most}
          notes={Object.entries(reasons).map(([reason, count]) => `${reason} ${formatCount(count)}`)}
          tone={stage === "none" ? "bad" : ""}
        />
      ))}
      <Row
        name="accepted"
        count={decisions.accepted}
        most={most}
        notes={[`answered again ${formatCount(decisions.replayed)}`]}
        tone="good"
      />
    </>
  );
}

interface RowProps {
  readonly name: string;
  readonly count: number;
  readonly most: number;
  readonly notes: readonly string[];
  readonly tone: "good" | "bad" | "";
}

function Row({ name, count, most, notes, tone }: RowProps) {
  return (
    <tr class={tone}>
      <th scope="row">{name}</th>
      <td class="number">{formatCount(count)}</td>
      <td>
        <svg class="funnel-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
          <rect width={(count / most) * 100} height="6" />
        </svg>
        <span class="small soft reasons">{notes.join(" · ")}</span>
      </td>
    </tr>
  );
}
