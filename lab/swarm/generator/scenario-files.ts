/**
 * Scenarios as files: those that come with the product by name, others by path, and the recorded curves they name.
 *
 * A curve is looked for in the folder of its scenario and nowhere else.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { RecordedCurves } from "./plan.ts";
import { parseRecordedCurve } from "./recorded-curve.ts";
import { parseScenario, type Scenario, ScenarioError } from "./scenario.ts";

const SHIPPED_FOLDER = join(import.meta.dirname, "../scenarios");
const ENDING = ".yaml";
const CURVE_BYTES_MAX = 16_777_216;

export interface LoadedScenario {
  readonly scenario: Scenario;
  readonly recorded: RecordedCurves;
}

/** The names of the scenarios that come with the product. */
export function shippedScenarios(): readonly string[] {
  return readdirSync(SHIPPED_FOLDER)
    .filter((name) => name.endsWith(ENDING))
    .map((name) => basename(name, ENDING))
    .sort();
}

/** Reads a scenario by name or path, and what it names. Throws {@link ScenarioError}. */
export function loadScenario(nameOrPath: string): LoadedScenario {
  const isShipped = shippedScenarios().includes(nameOrPath);
  const path = isShipped ? join(SHIPPED_FOLDER, `${nameOrPath}${ENDING}`) : nameOrPath;
  const text = readText(path, `${nameOrPath} (shipped are ${shippedScenarios().join(", ")}; anything else is a path)`);
  const scenario = parseScenario(text, path);
  const files = Object.values(scenario.populations).flatMap(({ arrivals }) =>
    arrivals.curve === "replay" ? [arrivals.file] : [],
  );
  const curves = files.map((file) => {
    const from = curveBeside(path, file);
    return [file, parseRecordedCurve(readText(from, `${from}, which ${path} names`), from)] as const;
  });
  return { scenario, recorded: Object.fromEntries(curves) };
}

/**
 * Where a curve is that a scenario names: in the scenario's own folder or below it, links followed. A scenario may come from
 * somebody else, and what it names is read and shown in complaints.
 */
function curveBeside(scenario: string, file: string): string {
  const folder = resolve(dirname(scenario));
  const named = resolve(folder, file);
  if (!isWithin(folder, named)) throw outside(scenario, file, named);
  const real = realPathOf(named, scenario);
  if (!isWithin(realPathOf(folder, scenario), real)) throw outside(scenario, file, real);
  return real;
}

function realPathOf(path: string, scenario: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new ScenarioError(`Cannot read ${path}, which ${scenario} names: ${(error as Error).message}`);
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function outside(scenario: string, file: string, path: string): ScenarioError {
  return new ScenarioError(
    `${scenario} names the curve ${JSON.stringify(file)}, which is ${path}; accepted: a file in the scenario's own folder or below it, not by a link that leaves it either.`,
  );
}

function readText(path: string, asked: string): string {
  try {
    if (statSync(path).size > CURVE_BYTES_MAX)
      throw new ScenarioError(`${path} is larger than ${CURVE_BYTES_MAX} bytes.`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof ScenarioError) throw error;
    throw new ScenarioError(`Cannot read ${asked}: ${(error as Error).message}`);
  }
}
