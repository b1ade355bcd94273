/**
 * Scenarios as files: those that come with the product by name, others by path, and the recorded curves they name.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
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
    const from = resolve(dirname(path), file);
    return [file, parseRecordedCurve(readText(from, `${from}, which ${path} names`), from)] as const;
  });
  return { scenario, recorded: Object.fromEntries(curves) };
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
