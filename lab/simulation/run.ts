/**
 * `npm run sim`: runs schedules, explains the first that fails, tries the mutants, prints why the simple design fails.
 *
 *     npm run sim -- --schedules 25000              many schedules, from seed 1
 *     npm run sim -- --seed 4711                    one schedule; with --trace everything that happened in it
 *     npm run sim -- --mutant fence-keeps-granted   the first schedule that notices it
 *     npm run sim -- --mutants                      every mutant, each to its first schedule
 *     npm run sim -- --table [--write]              the simple designs; --write brings the document up to date
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { oneOf, readFlags, wholeNumberOf } from "../bench/flags.ts";
import { runCampaign } from "./campaign.ts";
import { MUTANTS, mutantOf } from "./mutants.ts";
import { createSchedule } from "./schedule.ts";
import { shrink } from "./shrink.ts";
import { renderSimpleDesigns, SIMPLE_DESIGNS_PATH } from "./simple/table.ts";
import { simulate } from "./simulate.ts";
import { formatTrace } from "./trace.ts";

const MUTANT_SCHEDULES_MAX = 2_000;
const TELL_EVERY_MS = 5_000;

async function main(): Promise<number> {
  const { values, firstSeed, ...wanted } = readFlags(readValues);
  const { processes } = wanted;
  if (values.table === true) return printTable(values.write === true);
  if (values.mutants === true) return tryMutants(processes);
  const mutant = values.mutant ?? null;
  const isOne = values.seed !== undefined && values.schedules === undefined && mutant === null;
  const schedules = wanted.schedules ?? MUTANT_SCHEDULES_MAX;
  if (isOne) return runOne(firstSeed, values.trace === true);
  return runMany({ firstSeed, schedules, processes, mutant }, values.trace === true);
}

function readValues() {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      schedules: { type: "string" },
      processes: { type: "string" },
      mutant: { type: "string" },
      mutants: { type: "boolean" },
      table: { type: "boolean" },
      write: { type: "boolean" },
      trace: { type: "boolean" },
    },
  });
  const { seed = "1", schedules, processes = "2", mutant } = values;
  if (mutant !== undefined)
    oneOf(
      "--mutant",
      mutant,
      MUTANTS.map(({ name }) => name),
    );
  return {
    values,
    firstSeed: wholeNumberOf("--seed", seed, { min: 0, max: 2 ** 32 - 1 }),
    schedules: schedules === undefined ? null : wholeNumberOf("--schedules", schedules, { min: 1, max: 100_000_000 }),
    processes: wholeNumberOf("--processes", processes, { min: 1, max: 64 }),
  };
}

async function runOne(seed: number, isTraced: boolean): Promise<number> {
  const result = await simulate(createSchedule(seed), { isTraced });
  if (isTraced) print(formatTrace(result.trace));
  print(JSON.stringify({ ...result, counts: Object.fromEntries(result.counts), trace: undefined }, null, 2));
  if (result.failure !== null) await explain(seed, null, isTraced);
  return result.failure === null ? 0 : 1;
}

async function runMany(
  options: { firstSeed: number; schedules: number; processes: number; mutant: string | null },
  isTraced: boolean,
): Promise<number> {
  const result = await runCampaign({ ...options, onProgress: teller(options.schedules) });
  const { schedules, tookMs, virtualMs, losses, epochs, counts, found } = result;
  const perS = Math.round((schedules * 1_000) / tookMs);
  print(
    `${schedules} schedules in ${(tookMs / 1_000).toFixed(1)} s (${perS} a second), seeds from ${options.firstSeed}`,
  );
  print(
    `${Math.round(virtualMs / 3_600_000)} h of virtual time, ${losses} with a Redis that forgot, ${epochs} new epochs`,
  );
  print(`answers: ${JSON.stringify(counts)}`);
  if (found === null) {
    print("every invariant held after every step, every unit was sold once, every promise was kept");
    return options.mutant === null ? 0 : 1;
  }
  await explain(found.seed, options.mutant, isTraced);
  return options.mutant === null ? 1 : 0;
}

/** Says every few seconds how far it is. */
function teller(schedules: number): (run: number) => void {
  let toldAtMs = performance.now();
  return (run) => {
    if (performance.now() - toldAtMs < TELL_EVERY_MS) return;
    toldAtMs = performance.now();
    process.stderr.write(`${run} of ${schedules} schedules\n`);
  };
}

/** The seed, the finding, the fewest events that lead to it, and what happened at the end. */
async function explain(seed: number, mutant: string | null, isTraced: boolean): Promise<void> {
  const weakened = mutant === null ? {} : mutantOf(mutant).weakened;
  const schedule = await shrink(createSchedule(seed), weakened);
  const { failure, trace } = await simulate(schedule, { weakened, isTraced: true });
  const again = `npm run sim -- --seed ${seed}${mutant === null ? "" : ` --schedules 1 --mutant ${mutant}`} --trace`;
  print(`\nseed ${seed}: ${failure?.check}: ${failure?.detail}`);
  print(`the fewest events that lead to it, of ${createSchedule(seed).events.length}:`);
  print(`  ${JSON.stringify(schedule.config)}`);
  for (const event of schedule.events) print(`  ${JSON.stringify(event)}`);
  print(`the end of what happened (all of it: ${again}):`);
  print(formatTrace(isTraced ? trace : trace.slice(-40)));
}

async function tryMutants(processes: number): Promise<number> {
  let survivors = 0;
  for (const { name, what, kills } of MUTANTS) {
    const result = await runCampaign({ firstSeed: 1, schedules: MUTANT_SCHEDULES_MAX, processes, mutant: name });
    const { found } = result;
    if (found === null) survivors += 1;
    const known = found !== null && !kills.includes(found.failure.check) ? " (by another check than expected)" : "";
    const verdict =
      found === null ? "SURVIVES" : `seed ${found.seed}, ${found.failure.check}: ${found.failure.detail}${known}`;
    print(`${name.padEnd(28)} ${what}\n${" ".repeat(29)}${verdict}`);
  }
  return survivors === 0 ? 0 : 1;
}

function printTable(isWritten: boolean): number {
  const text = renderSimpleDesigns();
  if (isWritten) writeFileSync(SIMPLE_DESIGNS_PATH, text);
  print(text);
  return 0;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

process.exitCode = await main();
