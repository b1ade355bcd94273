/**
 * `npm run growth`: how cost and memory grow with buyers, items, sales, connections and nodes.
 *
 * `--axis NAME` (several comma-separated) measures a part, `--runtime bun|node` and `--ledger postgres|redis|embedded` choose
 * what is measured. `--json FILE`, `--html FILE` and `--write FILE` (Markdown) keep the run. `--smoke` shows in a minute that
 * everything works and proves nothing. The whole takes about an hour; an axis is a file of its own.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { LedgerKind } from "../bench/deployment.ts";
import { oneOf, readFlags, severalOf } from "../bench/flags.ts";
import { describeMachine } from "../bench/ladder-report.ts";
import { AXES, type AxisName, type AxisResult, type GrowthOptions } from "./axis.ts";
import { growBuyers } from "./axis-buyers.ts";
import { growMemory } from "./axis-memory.ts";
import { growNodes } from "./axis-nodes.ts";
import { growConnections, growItems, growSales } from "./axis-spread.ts";
import { type GrowthProblem, type GrowthRun, renderGrowth, renderGrowthPage } from "./growth-report.ts";
import { raiseOpenFiles } from "./open-files.ts";

const MEASUREMENTS: Readonly<Record<AxisName, (options: GrowthOptions) => Promise<AxisResult>>> = {
  buyers: growBuyers,
  items: growItems,
  sales: growSales,
  connections: growConnections,
  nodes: growNodes,
  memory: growMemory,
};
const LEDGERS: readonly LedgerKind[] = ["embedded", "postgres", "redis"];

const { values, axes, runtime, ledger } = readFlags(() => {
  const { values } = parseArgs({
    options: {
      axis: { type: "string" },
      runtime: { type: "string", default: "bun" },
      ledger: { type: "string", default: "redis" },
      json: { type: "string" },
      html: { type: "string" },
      write: { type: "string" },
      smoke: { type: "boolean", default: false },
    },
  });
  return {
    values,
    axes: values.axis === undefined ? AXES : severalOf("--axis", values.axis, AXES),
    runtime: oneOf("--runtime", values.runtime, ["bun", "node"]),
    ledger: oneOf("--ledger", values.ledger, LEDGERS),
  };
});

async function run(): Promise<GrowthRun> {
  const problems: GrowthProblem[] = [];
  const results: AxisResult[] = [];
  const isSmoke = values.smoke;
  for (const axis of axes) {
    const options: GrowthOptions = {
      ...{ runtime, ledger, isSmoke },
      tell: (text) => process.stderr.write(`${text}\n`),
      complain: (text) => problems.push({ axis, text }),
    };
    results.push(await MEASUREMENTS[axis](options));
  }
  const day = new Date(Date.now()).toISOString().slice(0, 10);
  return { day, machine: describeMachine(), runtime, ledger, isSmoke, results, problems };
}

raiseOpenFiles();
const result = await run();
const report = renderGrowth(result);
process.stdout.write(report);
if (values.write !== undefined) writeFileSync(values.write, report);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 1)}\n`);
if (values.html !== undefined) writeFileSync(values.html, renderGrowthPage(result));
process.exit(result.problems.length === 0 ? 0 : 1);
