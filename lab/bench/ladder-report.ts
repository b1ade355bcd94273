/**
 * The ladder as a table, as a page of charts, and as JSON: one run each, with the machine and what was asked for.
 */
import { cpus, totalmem, version } from "node:os";
import { barChart } from "../charts/bar-chart.ts";
import { htmlPage } from "../charts/page.ts";
import { GROUPS, type Group, type LadderRow, MEASURES, ratioOf } from "./ladder-row.ts";

/** Everything one run measured. */
export interface LadderRun {
  readonly day: string;
  readonly machine: string;
  readonly times: { readonly warmUpMs: number; readonly durationMs: number };
  readonly rows: readonly LadderRow[];
}

const HEADINGS: Readonly<Record<Group, string>> = {
  http: "Refusals beside the bare server",
  accepted: "Reservations beside the bare server",
  scripts: "The script of the redis ledger beside the least a script could do",
  commit: "The commit worker beside a raw loop",
  proxy: "nginx in front beside nginx alone",
  generator: "Our load generator beside wrk",
};
const COLUMNS = ["what", "per second", "× limit", "CPU µs", "limit's ÷ ours", "p50 ms", "p99 ms", "beside"];

/** What is asked of this machine, by row. Shares are "more is better". */
const ASKED: readonly { readonly row: RegExp; readonly text: string; readonly isMet: (row: LadderRow) => boolean }[] = [
  asked(/^bun\/http\/latch$/, "latch refusal ≥ 0.75 × bare", (row) => ratioOf(row, "throughput") >= 0.75),
  asked(
    /^bun\/http\/(throttled-signed|latch-signed)$/,
    "signed refusal ≥ 0.6 × bare",
    (row) => ratioOf(row, "throughput") >= 0.6,
  ),
  asked(/^bun\/http\/(?!bare)/, "≤ 20 µs a refusal", (row) => row.figures.cpuUs <= 20),
  asked(/^bun\/accepted\/redis-signed(-crowd)?$/, "accepted ≥ 15,000/s", (row) => row.figures.perS >= 15_000),
  asked(
    /^bun\/accepted\/redis-signed(-crowd)?$/,
    "accepted ≥ 0.35 × bare",
    (row) => ratioOf(row, "throughput") >= 0.35,
  ),
  asked(/^bun\/accepted\/redis-signed(-crowd)?$/, "≤ 80 µs a reservation", (row) => row.figures.cpuUs <= 80),
  asked(
    /^redis\/scripts\/reserve-(64|256)$/,
    "script time ≤ 1.5 × the least",
    (row) => 1 / ratioOf(row, "script") <= 1.5,
  ),
  asked(/^postgres\/commit\/worker$/, "≤ 1.25 × the raw loop", (row) => 1 / ratioOf(row, "processor") <= 1.25),
  asked(/\/generator\//, "within 10 % of wrk", (row) => Math.abs(ratioOf(row, "throughput") - 1) <= 0.1),
];

function asked(row: RegExp, text: string, isMet: (row: LadderRow) => boolean) {
  return { row, text, isMet };
}

/** What is asked for, and whether this run has it. Node's shares are judged by those of Bun. */
export function judgeAsked(rows: readonly LadderRow[]): readonly { readonly text: string; readonly isMet: boolean }[] {
  const direct = rows.flatMap((row) =>
    ASKED.filter((one) => one.row.test(row.id)).map((one) => ({
      text: `${row.name}: ${one.text}`,
      isMet: one.isMet(row),
    })),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const compared = rows.flatMap((row) => {
    const twin = byId.get(row.id.replace(/^node\//, "bun/"));
    if (!row.id.startsWith("node/") || row.limit === null || twin === undefined) return [];
    const share = ratioOf(row, "throughput") / ratioOf(twin, "throughput");
    return [{ text: `${row.name}: ${share.toFixed(2)} of Bun's share, asked for 0.8`, isMet: share >= 0.8 }];
  });
  return [...direct, ...compared];
}

/** Where the run was made. */
export function describeMachine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 1e9)} GB, ${version()}`;
}

/** The tables in Markdown, with what was wrong below. */
export function renderLadder({ day, machine, times, rows }: LadderRun): string {
  const sections = groupsOf(rows).map(([group, own]) => {
    const head = `| ${COLUMNS.join(" | ")} |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |`;
    return `## ${HEADINGS[group]}\n\n${head}\n${own.map((row) => `| ${cellsOf(row).join(" | ")} |`).join("\n")}\n`;
  });
  const problems = rows.filter((row) => row.problem !== null).map((row) => `- ${row.name}: ${row.problem}`);
  const verdicts = judgeAsked(rows).map(({ text, isMet }) => `- ${isMet ? "met" : "missed"}: ${text}`);
  return `# The ladder, ${day}

\`npm run bench\`: closed loops of ${times.durationMs} ms after ${times.warmUpMs} ms of warm-up, each row between two measurements of its limit. Processor time is summed over
all server processes, the load generator not included; it shares the machine. Script time is in brackets.

Machine: ${machine}.

${sections.join("\n")}
## Asked for

${verdicts.join("\n")}
${problems.length === 0 ? "" : `\n## Wrong answers\n\n${problems.join("\n")}\n`}`;
}

/** The same with charts, in one file. */
export function renderLadderPage(run: LadderRun): string {
  const verdicts = judgeAsked(run.rows);
  return htmlPage({
    title: `The ladder, ${run.day}`,
    sections: [
      {
        heading: "Run",
        paragraphs: [
          `${run.machine}. Closed loops of ${run.times.durationMs} ms, each row between two measurements of its limit.`,
        ],
        table: {
          head: ["asked for", "this run"],
          rows: verdicts.map(({ text, isMet }) => [text, isMet ? "met" : "missed"]),
        },
      },
      ...groupsOf(run.rows).map(([group, rows]) => ({
        heading: HEADINGS[group],
        charts: [
          barChart({
            title: "Share of the limit, by throughput",
            unit: "× limit",
            bars: rows
              .filter((row) => row.limit !== null)
              .map((row) => ({ name: row.name, value: ratioOf(row, "throughput") })),
          }),
          barChart({
            title: "Processor time",
            unit: "µs per decision, all server processes",
            bars: rows.map((row) => ({ name: row.name, value: row.figures.cpuUs })),
          }),
        ],
        table: { head: COLUMNS, rows: rows.map(cellsOf) },
      })),
    ],
  });
}

/** A row in one line, for whoever waits. */
export function renderLine(row: LadderRow): string {
  const shares = MEASURES.map((measure) => ratioOf(row, measure)).filter((share) => !Number.isNaN(share));
  const ratios = shares.map((share) => share.toFixed(2)).join(" ");
  const name = `${row.name.padEnd(58)} ${Math.round(row.figures.perS).toLocaleString("en").padStart(9)}/s`;
  return `${name} ${row.figures.cpuUs.toFixed(1).padStart(6)} µs  ${ratios}${row.problem === null ? "" : `  ${row.problem}`}`;
}

function groupsOf(rows: readonly LadderRow[]): readonly (readonly [Group, readonly LadderRow[]])[] {
  return GROUPS.map((group) => [group, rows.filter((row) => row.group === group)] as const).filter(
    ([, own]) => own.length > 0,
  );
}

function cellsOf(row: LadderRow): readonly string[] {
  const { figures, limit } = row;
  const shared = (value: number, digits: number): string => (Number.isNaN(value) ? "–" : value.toFixed(digits));
  const script = figures.scriptUs === undefined ? "" : ` (${figures.scriptUs.toFixed(2)})`;
  const scriptRatio = ratioOf(row, "script");
  return [
    row.name,
    Math.round(figures.perS).toLocaleString("en"),
    shared(ratioOf(row, "throughput"), 2),
    `${figures.cpuUs.toFixed(1)}${script}`,
    `${shared(ratioOf(row, "processor"), 2)}${Number.isNaN(scriptRatio) ? "" : ` (${scriptRatio.toFixed(2)})`}`,
    shared(figures.latencyMsP50 ?? Number.NaN, 2),
    shared(figures.latencyMsP99 ?? Number.NaN, 2),
    limit?.name ?? "–",
  ];
}
