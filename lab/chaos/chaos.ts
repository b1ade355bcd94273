/**
 * `npm run chaos -- --scenario K3 --times 20 --seed 7`: maltreats real deployments and says whether every promise was kept.
 *
 * Repetitions that need the same shape of deployment share one, a sale each; a deployment that was left in doubt is
 * replaced. Progress is a line a repetition; the report is written as text and JSON, and the history and the programs'
 * last words of every failed repetition beside it. Exit 1 on any violation.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSystemClock } from "../swarm/system-clock.ts";
import { describeRun, writeReport } from "./report.ts";
import { runChaos } from "./run.ts";
import { SCENARIOS } from "./scenarios.ts";

const USAGE = `npm run chaos -- [--scenario K3[,K5…] | --all] [--times N] [--seed N] [--out FOLDER] [--variant TEXT] [--postgres-mode] [--list]

  --scenario       which scenarios, comma-separated
  --all            every scenario
  --times          repetitions of each (default 1), dealt to its variants in turn
  --seed           makes moments and victims repeatable (default: drawn and printed)
  --variant        only variants whose name contains the text
  --postgres-mode  without Redis, for scenarios that need none
  --out            where the report goes (default .chaos)
  --list           names the scenarios
`;
const SEED_MAX = 1_000_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      scenario: { type: "string" },
      all: { type: "boolean" },
      times: { type: "string", default: "1" },
      seed: { type: "string" },
      variant: { type: "string" },
      "postgres-mode": { type: "boolean" },
      out: { type: "string", default: ".chaos" },
      list: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.list === true) {
    for (const one of SCENARIOS) console.log(`${one.id.padEnd(4)} ${one.title}\n     must hold: ${one.mustHold}`);
    return 0;
  }
  const wanted = (values.scenario ?? "").toUpperCase().split(",").filter(Boolean);
  const unknown = wanted.filter((id) => !SCENARIOS.some((one) => one.id === id));
  const times = Number(values.times);
  const seed = values.seed === undefined ? Math.floor(Math.random() * SEED_MAX) : Number(values.seed);
  const isComplete = (values.all === true) !== wanted.length > 0 && Number.isInteger(times) && times >= 1;
  if (values.help === true || !isComplete || !Number.isInteger(seed) || unknown.length > 0) {
    console.error(unknown.length > 0 ? `no such scenario: ${unknown.join(", ")}\n\n${USAGE}` : USAGE);
    return values.help === true ? 0 : 2;
  }
  const folder = values.out;
  mkdirSync(folder, { recursive: true });
  const report = await runChaos({
    scenarios: SCENARIOS.filter((one) => values.all === true || wanted.includes(one.id)),
    times,
    seed,
    variantText: values.variant ?? "",
    isPostgresMode: values["postgres-mode"] === true,
    folder,
    clock: createSystemClock(),
    say: (text) => console.log(text),
    keep: (name, text) => writeFileSync(join(folder, name), text),
  });
  writeReport(folder, report);
  console.log(`\n${describeRun(report)}\nReport: ${join(folder, "report.txt")}, ${join(folder, "report.json")}`);
  const hasFailed = report.scenarios.some((one) => one.failed > 0) || report.repetitions.length === 0;
  return hasFailed ? 1 : 0;
}

// An interrupted laboratory still ends what it started: exit handlers of the child processes run.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

process.exit(await main());
