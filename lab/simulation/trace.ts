/**
 * What happened, line by line, for a schedule that is run again to be understood.
 */
import type { Log } from "../../src/ports/telemetry.ts";

export interface TraceLine {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

const NOTHING = (): void => undefined;
const SILENT: Log = { debug: NOTHING, info: NOTHING, warn: NOTHING, error: NOTHING };

/** A log that writes into the trace; a silent one without. */
export function createLog(trace: TraceLine[] | null, nowMs: () => number, who: string): Log {
  if (trace === null) return SILENT;
  const write =
    (level: string): Log["info"] =>
    (fields, message) => {
      trace.push({ atMs: nowMs(), who, what: `${level} ${message} ${JSON.stringify(fields, showError)}` });
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

export function formatTrace(trace: readonly TraceLine[]): string {
  return trace.map(({ atMs, who, what }) => `${atMs.toFixed(1).padStart(9)}  ${who.padEnd(9)}  ${what}`).join("\n");
}

function showError(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

/** Calls that say nothing in a trace. */
export const QUIET: ReadonlySet<string> = new Set([
  "readNew",
  "readNewOfEach",
  "claimStale",
  "readSales",
  "health",
  "reportNode",
  "listNodeReports",
  "readLedgerStates",
  "listLedgersDue",
  "audit",
  "readGrantedItems",
  "readBooks",
  "listUnsettledGrants",
  "listNotes",
  "takeRefundsDue",
  "beginExpiry",
  "hintEvents",
  "missingSeqs",
  "sumOrders",
]);
