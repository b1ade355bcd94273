/**
 * A run of the growth measurements as Markdown and as a page of charts.
 */

import type { Runtime } from "../../test/support/node-process.ts";
import type { LedgerKind } from "../bench/deployment.ts";
import { lineChart } from "../charts/line-chart.ts";
import { htmlPage } from "../charts/page.ts";
import type { AxisName, AxisResult } from "./axis.ts";

/** Answers that were not as expected, while this axis was measured. */
export interface GrowthProblem {
  readonly axis: AxisName;
  readonly text: string;
}

export interface GrowthRun {
  readonly day: string;
  readonly machine: string;
  readonly runtime: Runtime;
  readonly ledger: LedgerKind;
  readonly isSmoke: boolean;
  readonly results: readonly AxisResult[];
  readonly problems: readonly GrowthProblem[];
}

export function renderGrowth(run: GrowthRun): string {
  const sections = run.results.map(({ title, table, verdicts, notes }) => {
    const rows = [table.head, table.head.map(() => "---"), ...table.rows].map((cells) => `| ${cells.join(" | ")} |`);
    const judged = verdicts.map(({ text, isMet }) => `- ${isMet ? "met" : "missed"}: ${text}`);
    return `## ${title}\n\n${rows.join("\n")}\n\n${[...judged, ...notes.map((note) => `- ${note}`)].join("\n")}\n`;
  });
  const problems = problemsOf(run).map((text) => `- ${text}`);
  const wrong = problems.length === 0 ? "" : `\n## Wrong answers\n\n${problems.join("\n")}\n`;
  return `# Growth, ${run.day}\n\n${introductionOf(run).join("\n\n")}\n\n${sections.join("\n")}${wrong}`;
}

export function renderGrowthPage(run: GrowthRun): string {
  return htmlPage({
    title: `Growth, ${run.day}`,
    sections: [
      { heading: "Run", paragraphs: [...introductionOf(run), ...problemsOf(run)] },
      ...run.results.map(({ title, charts, table, verdicts, notes }) => ({
        heading: title,
        paragraphs: [...verdicts.map(({ text, isMet }) => `${isMet ? "Met" : "Missed"}: ${text}.`), ...notes],
        charts: charts.map(lineChart),
        table,
      })),
    ],
  });
}

function problemsOf({ problems }: GrowthRun): readonly string[] {
  return problems.map(({ axis, text }) => `${axis}: ${text}`);
}

function introductionOf(run: GrowthRun): readonly string[] {
  return [
    `npm run growth: ${run.runtime}, the ${run.ledger} ledger, every attempt signed and of another buyer. CPU is processor time, summed over all server processes.`,
    `Machine: ${run.machine}. Load generator included, its processor time not.`,
    ...(run.isSmoke ? ["A smoke run: the figures prove nothing."] : []),
  ];
}
