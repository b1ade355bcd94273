/**
 * Reads a recorded arrival curve: how many came in each stretch of time.
 *
 * Two forms. CSV: `milliseconds,arrivals` a line, in order, a heading allowed; a stretch ends where the next begins, and the
 * last is as long as the one before it. JSON lines with `atMs` and `arrivals`, as `swarm --json-lines` writes them: what was
 * measured once can be played again.
 */

import type { RecordedStretch } from "./arrivals.ts";
import { ScenarioError } from "./scenario.ts";

const STRETCHES_MAX = 100_000;
const LAST_STRETCH_MS = 1_000;

interface RecordedPoint {
  readonly atMs: number;
  readonly arrivals: number;
}

/** The stretches of a recorded curve. Throws {@link ScenarioError} naming the line. */
export function parseRecordedCurve(text: string, source: string): readonly RecordedStretch[] {
  const points = text.split(/\r?\n/).flatMap((line, index) => readLine(line.trim(), `${source}, line ${index + 1}`));
  if (points.length < 2) throw new ScenarioError(`${source} has ${points.length} points; a curve needs two at least.`);
  if (points.length > STRETCHES_MAX) throw new ScenarioError(`${source} has more than ${STRETCHES_MAX} points.`);
  const stretches = points.map(({ atMs, arrivals }, index) => {
    const lastMs = atMs - (points[index - 1]?.atMs ?? atMs - LAST_STRETCH_MS);
    return { fromMs: atMs, untilMs: points[index + 1]?.atMs ?? atMs + lastMs, count: arrivals };
  });
  const backwards = stretches.findIndex(({ fromMs, untilMs }) => untilMs <= fromMs);
  if (backwards !== -1) throw new ScenarioError(`${source}: point ${backwards + 2} is not after the one before it.`);
  if (stretches.every(({ count }) => count === 0)) throw new ScenarioError(`${source} has no arrivals.`);
  return stretches;
}

function readLine(line: string, where: string): readonly RecordedPoint[] {
  if (line === "" || line.startsWith("#")) return [];
  return line.startsWith("{") ? readJson(line, where) : readCsv(line, where);
}

/** Lines of other types belong to the same recording and are passed over. */
function readJson(line: string, where: string): readonly RecordedPoint[] {
  let value: { atMs?: unknown; arrivals?: unknown };
  try {
    value = JSON.parse(line) as typeof value;
  } catch (error) {
    throw new ScenarioError(`${where} is not JSON: ${(error as Error).message}`);
  }
  if (value.atMs === undefined || value.arrivals === undefined) return [];
  return [checked(Number(value.atMs), Number(value.arrivals), where)];
}

function readCsv(line: string, where: string): readonly RecordedPoint[] {
  const [at = "", arrivals = "", ...rest] = line.split(",").map((cell) => cell.trim());
  if (/^[a-z_ ]+$/i.test(at)) return [];
  if (rest.length > 0 || at === "" || arrivals === "")
    throw new ScenarioError(`${where} must be milliseconds,arrivals.`);
  return [checked(Number(at), Number(arrivals), where)];
}

function checked(atMs: number, arrivals: number, where: string): RecordedPoint {
  const isRight = Number.isFinite(atMs) && Number.isFinite(arrivals) && arrivals >= 0;
  if (!isRight) throw new ScenarioError(`${where} must be two numbers, arrivals not below 0.`);
  return { atMs, arrivals };
}
