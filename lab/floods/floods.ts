/**
 * `npm run floods`: a million distinct addresses, a million distinct forged tokens, 200,000 sessions, and two thousand
 * sockets that are half open, against one node, beside honest buyers. With `--kill-edge` the node has an edge Redis, which is
 * ended when the first flood begins.
 *
 * Prints a table (docs/operating/limits.md says what it is about), and ends with 1 when a bound does not hold. Needs PostgreSQL on this
 * machine; a quiet machine, if the waiting times are to mean anything.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Runtime } from "../../test/support/node-process.ts";
import { PostgresCluster } from "../../test/support/postgres-cluster.ts";
import { ATTACK_KINDS, type FloodRow, megabytes, problemsOf, runFloods } from "./run.ts";

const COUNT = 1_000_000;
const WARM_UP_COUNT = 20_000;
const RATE_PER_S = 5_000;
const HONEST_PER_S = 40;
const QUIET_MS = 20_000;
const RETURN_WITHIN_MS = 60_000;

const HEAD = `| runtime | flood | requests | per second | answers | memory before | most | after | honest p50/p99 quiet | flooded | refused |
| --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |`;

function renderRow(runtime: Runtime, row: FloodRow): string {
  const { kind, flood, quiet, flooded } = row;
  const answers = Object.entries(flood.statuses).map(([status, count]) => `${status}: ${count}`);
  const cells = [
    runtime,
    kind,
    flood.sent.toLocaleString("en"),
    Math.round(flood.sent / (flood.elapsedMs / 1_000)).toLocaleString("en"),
    answers.join(", "),
    megabytes(row.startBytes),
    megabytes(row.peakBytes),
    megabytes(row.endBytes),
    `${quiet.p50Ms.toFixed(1)} / ${quiet.p99Ms.toFixed(1)} ms`,
    `${flooded.p50Ms.toFixed(1)} / ${flooded.p99Ms.toFixed(1)} ms`,
    `${flooded.asked - flooded.accepted} of ${flooded.asked}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

const { values } = parseArgs({
  options: {
    runtime: { type: "string" },
    kind: { type: "string" },
    count: { type: "string", default: String(COUNT) },
    rate: { type: "string", default: String(RATE_PER_S) },
    honest: { type: "string", default: String(HONEST_PER_S) },
    "kill-edge": { type: "boolean", default: false },
    write: { type: "string" },
  },
});
const kinds = ATTACK_KINDS.filter((kind) => values.kind === undefined || values.kind === kind);
const lines = [HEAD];
const problems: string[] = [];
const cluster = await PostgresCluster.start({ isDurable: true });
try {
  for (const runtime of ["bun", "node"] as const) {
    if (values.runtime !== undefined && values.runtime !== runtime) continue;
    const rows = await runFloods({
      runtime,
      cluster,
      kinds,
      count: Number(values.count),
      warmUpCount: WARM_UP_COUNT,
      ratePerS: Number(values.rate),
      honestPerS: Number(values.honest),
      quietMs: QUIET_MS,
      returnWithinMs: RETURN_WITHIN_MS,
      killsEdge: values["kill-edge"],
      tell: (text) => process.stderr.write(`${text}\n`),
    });
    for (const row of rows) {
      lines.push(renderRow(runtime, row));
      problems.push(...problemsOf(row, { isTimed: true }).map((problem) => `- ${runtime} ${row.kind}: ${problem}`));
    }
  }
} finally {
  await cluster.stop();
}
const report = `${[...lines, "", ...problems].join("\n").trimEnd()}\n`;
process.stdout.write(report);
if (values.write !== undefined) writeFileSync(values.write, report);
process.exit(problems.length === 0 ? 0 : 1);
