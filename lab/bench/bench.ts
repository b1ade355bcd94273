/**
 * `npm run bench`: the whole ladder, each rung beside its own limit in the same run on the same machine.
 *
 * Groups: refusals (http), reservations (accepted), the redis script (scripts), the commit worker (commit), nginx in front
 * (proxy), our load generator (generator). `--only GROUP` (several comma-separated) measures a part, `--runtime bun|node`
 * one runtime. `--json FILE`, `--html FILE` and `--write FILE` (Markdown) keep the run; `--bounds FILE` draws new lower
 * bounds from it, `--check` compares it with docs/benchmarks/ratios.json (`--against FILE`: another). `--gate` is shorter, `--smoke` proves nothing.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Runtime } from "../../test/support/node-process.ts";
import { measureAccepted } from "./ladder-accepted.ts";
import { measureCommit } from "./ladder-commit.ts";
import { measureGenerator } from "./ladder-generator.ts";
import { measureHttp } from "./ladder-http.ts";
import { measureProxy } from "./ladder-proxy.ts";
import { describeMachine, type LadderRun, renderLadder, renderLadderPage, renderLine } from "./ladder-report.ts";
import { GROUPS, type Group, type LadderRow } from "./ladder-row.ts";
import { LADDER_TIMES, type LadderOptions } from "./ladder-run.ts";
import { measureScripts } from "./ladder-scripts.ts";
import { BOUNDS_FILE, boundsFrom, judgeRatios, readBounds } from "./ratio-gate.ts";

const TOLERANCE = 0.1;
const MEASUREMENTS: Readonly<Record<Group, (options: LadderOptions) => Promise<readonly LadderRow[]>>> = {
  http: measureHttp,
  accepted: measureAccepted,
  scripts: measureScripts,
  commit: measureCommit,
  proxy: measureProxy,
  generator: measureGenerator,
};

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    runtime: { type: "string" },
    processes: { type: "string", default: "1" },
    json: { type: "string" },
    html: { type: "string" },
    write: { type: "string" },
    bounds: { type: "string" },
    check: { type: "boolean", default: false },
    against: { type: "string", default: BOUNDS_FILE },
    gate: { type: "boolean", default: false },
    smoke: { type: "boolean", default: false },
  },
});

async function run(): Promise<LadderRun> {
  const groups = values.only === undefined ? GROUPS : values.only.split(",").map(groupOf);
  const times = LADDER_TIMES[values.smoke ? "smoke" : values.gate ? "gate" : "full"];
  const runtimes = (["bun", "node"] as const).filter((runtime: Runtime) => (values.runtime ?? runtime) === runtime);
  const options: LadderOptions = {
    ...times,
    runtimes,
    apiProcesses: Number(values.processes),
    tell: (row) => process.stderr.write(`${renderLine(row)}\n`),
  };
  const rows: LadderRow[] = [];
  for (const group of groups) rows.push(...(await MEASUREMENTS[group](options)));
  return { day: new Date(Date.now()).toISOString().slice(0, 10), machine: describeMachine(), times, rows };
}

function groupOf(name: string): Group {
  const group = GROUPS.find((one) => one === name);
  if (group === undefined) throw new Error(`there is no group ${name}: ${GROUPS.join(", ")}`);
  return group;
}

/** Whether every bound of the groups that were measured is met. */
function check(rows: readonly LadderRow[]): boolean {
  const all = readBounds(values.against);
  const groups = new Set(rows.map((row) => row.id.split("/")[1]));
  const bounds = all.bounds.filter((bound) => groups.has(bound.row.split("/")[1]));
  const verdicts = judgeRatios(rows, { ...all, bounds });
  for (const { text } of verdicts.filter(({ isMet }) => !isMet)) process.stdout.write(`below its bound: ${text}\n`);
  process.stdout.write(`${verdicts.filter(({ isMet }) => isMet).length} of ${verdicts.length} bounds are met.\n`);
  return verdicts.every(({ isMet }) => isMet);
}

const result = await run();
const report = renderLadder(result);
process.stdout.write(report);
if (values.write !== undefined) writeFileSync(values.write, report);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 1)}\n`);
if (values.html !== undefined) writeFileSync(values.html, renderLadderPage(result));
if (values.bounds !== undefined) {
  writeFileSync(values.bounds, `${JSON.stringify(boundsFrom(result.rows, TOLERANCE), null, 1)}\n`);
}
const areAnswersRight = result.rows.every((row) => row.problem === null);
const areBoundsMet = !values.check || check(result.rows);
process.exit(areAnswersRight && areBoundsMet ? 0 : 1);
