/**
 * One flood, in a process of its own, so that it does not slow the clock of those who measure.
 *
 * Reads its task from the first argument and prints one line of JSON when it is over.
 */
import { createSystemClock } from "../../src/adapters/local/system-clock.ts";
import { flood } from "./flood.ts";
import { type FloodKind, type FloodTarget, floodRequestsOf } from "./flood-requests.ts";

/** What the sender is told. */
export interface FloodTask extends FloodTarget {
  readonly port: number;
  readonly kind: FloodKind;
  readonly count: number;
  readonly ratePerS: number;
}

const CONNECTIONS = 32;

const task = JSON.parse(process.argv[2] ?? "null") as FloodTask;
const { port, kind, count, ratePerS } = task;
const request = floodRequestsOf(kind, task);
const clock = createSystemClock();
const result = await flood({ port, count, ratePerS, request, clock, connections: CONNECTIONS });
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
