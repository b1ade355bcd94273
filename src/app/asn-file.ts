/**
 * Reads the operator's list of autonomous systems, once, before anything else is opened.
 */
import { readFileSync } from "node:fs";
import { Fault } from "../domain/faults.ts";
import { AsnTable } from "../funnel/4-throttle/asn-table.ts";

/** Null without a path. Throws CONFIG_INVALID when the file cannot be read or has a line that is none. */
export function readAsns(path: string | null): AsnTable | null {
  if (path === null) return null;
  try {
    return AsnTable.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new Fault("CONFIG_INVALID", {
      cause: error,
      internal: `ASN_FILE is ${JSON.stringify(path)}, which cannot be used: ${error.message}.`,
    });
  }
}
