/**
 * The table of a bench run, in Markdown, so that what is printed and what is kept are the same.
 */
import { cpus, totalmem, version } from "node:os";
import type { Measurement } from "./measure.ts";

export interface ReportRow {
  readonly runtime: string;
  readonly name: string;
  readonly measurement: Measurement;
  readonly ratioToBare: number;
  /** What was wrong with the answers; null = as expected. */
  readonly problem: string | null;
}

const HEAD = `| runtime | path | per second | × bare | CPU µs per decision | p50 ms | p99 ms |
| --- | --- | ---: | ---: | ---: | ---: | ---: |`;

/** The whole table with the machine above it and problems below. */
export function renderReport(rows: readonly ReportRow[]): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 1e9)} GB, ${version()}`;
  const problems = rows
    .filter((row) => row.problem !== null)
    .map((row) => `- ${row.runtime} ${row.name}: ${row.problem}`);
  return `Machine: ${machine}. Load generator included.\n\n${HEAD}\n${rows.map(renderRow).join("\n")}\n${problems.join("\n")}\n`;
}

function renderRow({ runtime, name, measurement, ratioToBare }: ReportRow): string {
  const figures = [
    Math.round(measurement.requestsPerS).toLocaleString("en"),
    ratioToBare.toFixed(2),
    measurement.cpuUsPerDecision.toFixed(1),
    measurement.latencyMsP50.toFixed(2),
    measurement.latencyMsP99.toFixed(2),
  ];
  return `| ${[runtime, name, ...figures].join(" | ")} |`;
}
