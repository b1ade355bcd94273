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
import { oneOf, readFlags, severalOf, wholeNumberOf } from "./flags.ts";
import { measureAccepted } from "./ladder-accepted.ts";
import { measureCommit } from "./ladder-commit.ts";
import { measureGenerator } from "./ladder-generator.ts";
import { measureHttp } from "./ladder-http.ts";
import { measureProxy } from "./ladder-proxy.ts";
import { describeMachine, type LadderRun, renderLadder, renderLadderPage, renderLine } from "./ladder-report.ts";
import { GROUPS, type Group, type LadderRow } from "./ladder-row.ts";
import { LADDER_TIMES, type LadderOptions } from "./ladder-run.ts";
import { measureScripts } from "./ladder-scripts.ts";
import { BOUNDS_FILE, boundsFrom, boundsOf, judgeRatios, readBounds } from "./ratio-gate.ts";

const TOLERANCE = 0.1;
const RUNTIMES = ["bun", "node"] as const;
const PROCESSES_MAX = 64;
const MEASUREMENTS: Readonly<Record<Group, (options: LadderOptions) => Promise<readonly LadderRow[]>>> = {
  http: measureHttp,
  accepted: measureAccepted,
  scripts: measureScripts,
  commit: measureCommit,
  proxy: measureProxy,
  generator: measureGenerator,
};

const { values, groups, runtimes, apiProcesses } = readFlags(() => {
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
  const { only, runtime, processes } = values;
  return {
    values,
    groups: only === undefined ? GROUPS : severalOf("--only", only, GROUPS),
    runtimes: runtime === undefined ? RUNTIMES : [oneOf("--runtime", runtime, RUNTIMES)],
    apiProcesses: wholeNumberOf("--processes", processes, { min: 1, max: PROCESSES_MAX }),
  };
});

async function run(): Promise<LadderRun> {
  const times = LADDER_TIMES[values.smoke ? "smoke" : values.gate ? "gate" : "full"];
  const options: LadderOptions = {
    ...times,
    runtimes,
    apiProcesses,
    tell: (row) => process.stderr.write(`${renderLine(row)}\n`),
  };
  const rows: LadderRow[] = [];
  for (const group of groups) rows.push(...(await MEASUREMENTS[group](options)));
  return { day: new Date(Date.now()).toISOString().slice(0, 10), machine: describeMachine(), times, rows };
}

/** Whether every bound of the groups that were asked for is met; a group that measured nothing has met none. */
function check(rows: readonly LadderRow[]): boolean {
  const verdicts = judgeRatios(rows, boundsOf(readBounds(values.against), groups));
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
